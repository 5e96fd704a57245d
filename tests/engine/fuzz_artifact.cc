// libFuzzer over artifacts. The mutator knows the layout: it damages one section
// and signs it again, so that the search happens behind the digests; one time in
// eight it damages the file as it is. See CMakeLists.txt for how to build it.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "tests/engine/try_artifact.h"
#include "tests/format/raw_artifact.h"
#include "tests/format/tiny_model.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using hasten::testing::RawArtifact;

RawArtifact MakeSeed() {
  hasten::testing::TinyConfig c;
  c.hidden = 32, c.inter = 32, c.vocab = 20, c.layers = 1, c.heads = 2, c.kv_heads = 1, c.max_positions = 32;
  c.weights = hasten::Scheme::kI4G32, c.alibi = true;
  const std::string path = (std::filesystem::temp_directory_path() / hasten::StrCat("hst-fuzz-", getpid(), ".hst")).string();
  if (!hasten::testing::WriteTinyModel(hasten::testing::MakeTinyModel(c), path).ok()) std::abort();
  RawArtifact seed = RawArtifact::Read(path);
  std::filesystem::remove(path);
  return seed;
}

// Whether header and table are where the accessors of RawArtifact look.
bool HasTable(const RawArtifact& a) {
  if (a.bytes.size() < sizeof(hasten::FileHeader)) return false;
  const hasten::FileHeader h = a.Header();
  if (h.sections == 0 || h.sections > 8 || h.table_offset > a.bytes.size()) return false;
  if (a.bytes.size() - h.table_offset < h.sections * sizeof(hasten::SectionEntry)) return false;
  for (uint32_t i = 0; i < h.sections; ++i)
    if (a.Entry(i).offset < sizeof h || a.Entry(i).offset > h.table_offset || a.Entry(i).size > h.table_offset - a.Entry(i).offset ||
        a.Entry(i).size == 0)
      return false;
  return true;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  static const RawArtifact kSeed = MakeSeed();
  RawArtifact a{std::vector<char>(data, data + size)};
  if (!HasTable(a)) a = kSeed;
  if (a.bytes.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0) {
    std::copy(a.bytes.begin(), a.bytes.end(), data);
    return LLVMFuzzerMutate(data, a.bytes.size(), max_size);
  }
  const uint32_t section = seed / 8 % a.Header().sections;
  const std::span<char> bytes = a.Section(section);
  const size_t kept = LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size(), bytes.size());
  std::fill(bytes.begin() + static_cast<long>(kept), bytes.end(), '\0');
  a.SignSection(section);
  std::copy(a.bytes.begin(), a.bytes.end(), data);
  return a.bytes.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static hasten::testing::MemoryFile file;
  if (!file.Set({reinterpret_cast<const char*>(data), size})) return 0;
  hasten::testing::TryArtifact(file.path());
  return 0;
}
