#include "calib/synthetic/write.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <vector>

#include <sys/statvfs.h>

#include "calib/recipe/recipe.h"
#include "calib/compile/model_info.h"
#include "compiler/plan/plan.h"
#include "runtime/base/threads.h"
#include "runtime/format/program_check.h"
#include "runtime/format/program_generated.h"
#include "runtime/quant/layout.h"

namespace hasten::calib {
namespace {

constexpr uint64_t kBatchBytes = uint64_t{8} << 20;   // packed at once

// SplitMix64 (Steele et al. 2014, doi 10.1145/2660193.2660195): any seed gives a good stream.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  float Symmetric() { return static_cast<float>(static_cast<int64_t>(Next()) >> 40) * 0x1p-23f; }   // [-1, 1)

 private:
  uint64_t state_;
};

// The values of one block of up to 16 rows; kept, so that memory is not asked for again.
struct BlockWork {
  std::vector<int8_t> codes;
  std::vector<float> scale, values;
  std::vector<uint8_t> zero;
};

// Spread of a weight that leaves sums over k inputs as large as the inputs.
double Spread(int64_t k) { return 1 / std::sqrt(static_cast<double>(k)); }

Status PackFloatBlock(const plan::TensorPlan& t, int64_t rows, Random& random, BlockWork& work, std::span<std::byte> out) {
  work.values.resize(static_cast<size_t>(rows * t.k));
  const float reach = static_cast<float>(std::sqrt(3.0) * Spread(t.k));   // of a uniform distribution
  const bool vector = t.n == 1;                                           // a norm's weight: about 1
  for (float& v : work.values) v = vector ? 1 + random.Symmetric() / 8 : reach * random.Symmetric();
  return PackFloats(t.scheme, rows, t.k, work.values, out);
}

Status PackIntegerBlock(const plan::TensorPlan& t, int64_t rows, Random& random, BlockWork& work, std::span<std::byte> out) {
  const SchemeInfo& info = GetScheme(t.scheme);
  const int64_t groups = LayoutOf(t.scheme, t.n, t.k).groups, count = rows * t.k;
  work.codes.resize(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; i += 8) {
    uint64_t bits = random.Next();
    for (int64_t j = i; j < std::min(i + 8, count); ++j, bits >>= 8) {
      const int8_t code = static_cast<int8_t>(bits);
      work.codes[static_cast<size_t>(j)] = info.zero_point ? static_cast<int8_t>(code & info.max_code) : std::max<int8_t>(code, -127);
    }
  }
  // Uniform codes deviate by their range / sqrt(12).
  const double unit = Spread(t.k) / ((info.zero_point ? info.max_code + 1.0 : 254.0) / std::sqrt(12.0));
  work.scale.resize(static_cast<size_t>(rows * groups));
  for (float& s : work.scale) s = RoundScale(t.scheme, static_cast<float>(unit * (1 + random.Symmetric() / 4)));
  work.zero.resize(info.zero_point ? work.scale.size() : 0);
  for (uint8_t& z : work.zero) z = static_cast<uint8_t>(info.max_code / 2 + static_cast<int>(random.Next() & 1));   // the codes' mean lies between
  return PackCodes(t.scheme, rows, t.k, {work.codes, work.scale, work.zero}, out);
}

class Writing {
 public:
  explicit Writing(const SyntheticOptions& options) : o_(options) {}

  Result<std::unique_ptr<ArtifactWriter>> Run() {
    HST_ASSIGN_OR_RETURN(const SyntheticShape* const shape, FindShape(o_.shape));
    HST_ASSIGN_OR_RETURN(const std::unique_ptr<ir::Graph> graph, SyntheticGraph(*shape));
    const plan::PlanOptions how{.weights = o_.weights, .head = o_.head, .embed = o_.embed, .kv = o_.kv, .max_positions = shape->max_positions};
    HST_ASSIGN_OR_RETURN(plan_, plan::MakePlan(*graph, how));
    HST_RETURN_IF_ERROR(CheckRoom());
    HST_ASSIGN_OR_RETURN(writer_, ArtifactWriter::Create(o_.target, o_.cancel));
    const std::vector<std::byte> program = plan::SerializeProgram(plan_);
    writer_->RequireMinor(NeededMinor(*fb::GetProgram(program.data())));
    HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kProgram, program));
    HST_ASSIGN_OR_RETURN(pool_, ThreadPool::Create(o_.threads));
    work_.resize(static_cast<size_t>(o_.threads));
    HST_RETURN_IF_ERROR(WriteWeights());
    GenerationDefaults generation;
    generation.architecture = "synthetic " + o_.shape;
    generation.max_positions = static_cast<uint64_t>(shape->max_positions);
    HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kModelInfo, BuildModelInfo(generation, MakeProvenance())));
    HST_RETURN_IF_ERROR(writer_->Finish());
    return std::move(writer_);
  }

 private:
  Status CheckRoom() const {
    std::filesystem::path folder = std::filesystem::path(o_.target).parent_path();
    if (folder.empty()) folder = ".";
    constexpr uint64_t kBesides = uint64_t{16} << 20;   // program, table, the file system's own
    struct statvfs fs = {};
    if (statvfs(folder.c_str(), &fs) != 0) return ResourceError(folder.string(), ": ", std::strerror(errno));
    const uint64_t free = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize, needed = plan_.weights_bytes + kBesides;
    if (free >= needed) return {};
    return ResourceError("the artifact of ", o_.shape, " needs ", needed, " bytes, and ", folder.string(), " has ", free,
                         " free; name another folder (TMPDIR or --keep), fewer bits or a smaller shape");
  }

  Status WriteWeights() {
    HST_RETURN_IF_ERROR(writer_->BeginSection(SectionKind::kWeights, kPageAlignment));
    for (size_t i = 0; i < plan_.tensors.size(); ++i) HST_RETURN_IF_ERROR(WriteTensor(plan_.tensors[i], i));
    HST_CHECK(writer_->section_bytes() == plan_.weights_bytes);
    return writer_->EndSection();
  }

  Status WriteTensor(const plan::TensorPlan& t, size_t index) {
    static constexpr std::byte kZeros[kPageAlignment] = {};
    HST_CHECK(t.offset >= writer_->section_bytes() && t.offset - writer_->section_bytes() < kPageAlignment);
    HST_RETURN_IF_ERROR(writer_->Append({kZeros, t.offset - writer_->section_bytes()}));
    const int64_t blocks = (t.n + kBlockRows - 1) / kBlockRows;
    const uint64_t block_bytes = *PackedBytes(t.scheme, std::min(t.n, kBlockRows), t.k);
    const int64_t batch = std::max<int64_t>(1, static_cast<int64_t>(kBatchBytes / block_bytes));
    for (int64_t begin = 0; begin < blocks; begin += batch) {
      HST_RETURN_IF_ERROR(PackBlocks(t, index, begin, std::min(blocks, begin + batch)));
      HST_RETURN_IF_ERROR(writer_->Append(packed_));
      if (o_.update) o_.update(writer_->section_bytes(), plan_.weights_bytes);
    }
    return {};
  }

  // Blocks of 16 rows [begin, end) into packed_. What a block holds depends on its
  // tensor and number alone.
  Status PackBlocks(const plan::TensorPlan& t, size_t index, int64_t begin, int64_t end) {
    const auto at = [&](int64_t block) { return block == 0 ? 0 : *PackedBytes(t.scheme, std::min(t.n, block * kBlockRows), t.k); };
    const uint64_t base = at(begin);
    packed_.resize(at(end) - base);
    const bool integer = GetScheme(t.scheme).integer;
    std::mutex mutex;
    Status failure;
    pool_->Run(end - begin, 4, [&](int64_t from, int64_t to, int thread) {
      for (int64_t block = begin + from; block < begin + to; ++block) {
        Random random(Random(static_cast<uint64_t>(index) << 32 | static_cast<uint64_t>(block)).Next());
        const int64_t rows = std::min(kBlockRows, t.n - block * kBlockRows);
        const std::span<std::byte> out(packed_.data() + (at(block) - base), at(block + 1) - at(block));
        BlockWork& work = work_[static_cast<size_t>(thread)];
        Status status;
        try {
          status = integer ? PackIntegerBlock(t, rows, random, work, out) : PackFloatBlock(t, rows, random, work, out);
        } catch (const std::bad_alloc&) {  // must not leave the pool's thread
          status = ResourceError("out of memory");
        }
        if (status.ok()) continue;
        const std::lock_guard lock(mutex);
        failure = std::move(status).Annotate(t.name);
      }
    });
    return failure;
  }

  Provenance MakeProvenance() const {
    Provenance p;
    p.tool_version = o_.tool_version;
    p.recipe = {{"synthetic", o_.shape}, {"weights", std::string(GetScheme(o_.weights).name)}, {"head", std::string(GetScheme(o_.head).name)},
                {"embed", std::string(GetScheme(o_.embed).name)}, {"kv", std::string(KvName(o_.kv))}};
    return p;
  }

  const SyntheticOptions& o_;
  plan::ProgramPlan plan_;
  std::unique_ptr<ArtifactWriter> writer_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<BlockWork> work_;       // one a thread
  std::vector<std::byte> packed_;
};

}  // namespace

Result<std::unique_ptr<ArtifactWriter>> WriteSynthetic(const SyntheticOptions& options) { return Writing(options).Run(); }

}  // namespace hasten::calib
