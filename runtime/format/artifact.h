// The reader of artifacts: a read-only memory mapping whose every size, offset
// and table has been checked before anything else sees it. Opening touches the
// header, the table and the metadata sections only; weights stay on disk until
// a kernel reads them. Not a parser of model contents: programs are checked by
// program_check.h, tokenizers by the engine.
//
// A file that is truncated by someone else *while* it is mapped raises SIGBUS
// on the next touch of a lost page, and a library cannot handle that signal
// for its host. Replace artifacts by rename (as the writer does), never in place.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/format/layout.h"

namespace hasten {

namespace fb {
struct Program;
struct ModelInfo;
}  // namespace fb

struct Section {
  std::string name;
  uint32_t kind = 0;
  uint32_t flags = 0;
  uint64_t offset = 0;     // in the file
  uint64_t alignment = 0;
  std::array<uint8_t, 32> digest{};
  std::span<const std::byte> bytes;  // in the mapping
};

class ArtifactFile {
 public:
  // Maps `path` and checks header, table, and the program and model_info
  // sections (digest, FlatBuffers structure, CheckProgram). kResource when the
  // file cannot be read, kBadInput when it is not an intact artifact,
  // kUnsupported when it needs a newer or fuller reader. Messages name the file
  // and the place in it.
  static Result<std::shared_ptr<const ArtifactFile>> Open(const std::string& path);
  ~ArtifactFile();
  ArtifactFile(const ArtifactFile&) = delete;
  ArtifactFile& operator=(const ArtifactFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return size_; }
  std::span<const Section> sections() const { return sections_; }  // in file order
  const Section* Find(SectionKind kind) const;                     // null when absent
  const FileHeader& header() const { return *reinterpret_cast<const FileHeader*>(base_); }

  // Checked; valid as long as this object.
  const fb::Program& program() const { return *program_; }
  const fb::ModelInfo& model_info() const { return *model_info_; }
  std::span<const std::byte> weights() const { return weights_; }

  // Reads the whole file: every section's digest and every padding byte. Stops
  // with kCancelled when *cancel becomes true.
  Status VerifyDigests(const std::atomic<bool>* cancel = nullptr) const;

 private:
  ArtifactFile() = default;
  Status CheckHeader();
  Status ReadTable();
  Status CheckSection(const SectionEntry& entry, uint32_t index, uint64_t previous_end);
  Status ReadMetadata();

  std::string path_;
  const std::byte* base_ = nullptr;
  uint64_t size_ = 0;
  std::vector<Section> sections_;
  const fb::Program* program_ = nullptr;
  const fb::ModelInfo* model_info_ = nullptr;
  std::span<const std::byte> weights_;
};

}  // namespace hasten
