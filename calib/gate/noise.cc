#include "calib/gate/noise.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "calib/abi/batch.h"
#include "calib/metrics/score.h"
#include "runtime/base/isa.h"

namespace hasten::gate {
namespace {

using calib::Artifact;
using calib::BatchItem;
using calib::BatchSession;

constexpr int64_t kStep = 64;         // rows of logits held at once
constexpr int64_t kScalarTokens = 256;

// The largest difference of two blocks of rows; bits that differ in a NaN's or a zero's
// sign count as infinite.
double Difference(const calib::RowBlock& a, const calib::RowBlock& b) {
  double largest = 0;
  for (int64_t r = 0; r < a.rows; ++r) {
    const auto x = a.At(r), y = b.At(r);
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::bit_cast<uint32_t>(x[i]) == std::bit_cast<uint32_t>(y[i])) continue;
      const double d = std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
      largest = std::max(largest, d > 0 ? d : INFINITY);
    }
  }
  return largest;
}

struct Variant {
  std::string name, isa;
  calib::SessionOptions options;
  int64_t chunks = 2, tokens = 0;   // of each; 0: all
  bool together = false;            // the chunks in one call, as a batch, and forked halfway
  int64_t step = kStep;             // tokens a call
};

// Both go through the same tokens; the plain one a chunk at a time.
class Comparison {
 public:
  Comparison(const Artifact& artifact, const Artifact& other, const calib::Chunks& chunks, const Variant& v, const NoiseOptions& o)
      : artifact_(artifact), other_(other), chunks_(chunks), v_(v), o_(o) {}

  Result<NoiseCheck> Run() {
    NoiseCheck check{v_.name, 0, 0, true, ""};
    const int64_t count = std::min(v_.chunks, chunks_.count), capacity = count * (chunks_.context + kStep);
    HST_ASSIGN_OR_RETURN(const auto plain, BatchSession::Create(artifact_, {.threads = o_.threads, .capacity = capacity, .cancel = o_.cancel}));
    calib::SessionOptions options = v_.options;
    options.capacity = 2 * capacity;
    options.cancel = o_.cancel;
    HST_ASSIGN_OR_RETURN(const auto varied, BatchSession::Create(other_, options));
    std::vector<hst_sequence> a, b;
    for (int64_t c = 0; c < count; ++c) {
      HST_ASSIGN_OR_RETURN(a.emplace_back(), plain->New());
      HST_ASSIGN_OR_RETURN(b.emplace_back(), varied->New());
    }
    const int64_t tokens = v_.tokens ? std::min(v_.tokens, chunks_.context) : chunks_.context;
    for (int64_t at = 0; at < tokens; at += kStep) {
      const int64_t n = std::min(kStep, tokens - at);
      if (v_.together && at >= tokens / 2 && at < tokens / 2 + kStep) HST_RETURN_IF_ERROR(ForkAll(*varied, b));
      if (v_.together) HST_RETURN_IF_ERROR(Evaluate(*varied, b, at, n));
      for (int64_t c = 0; c < count; ++c) {
        const std::span<const hst_sequence> one_a(&a[static_cast<size_t>(c)], 1), one_b(&b[static_cast<size_t>(c)], 1);
        HST_RETURN_IF_ERROR(Evaluate(*plain, one_a, at, n, c));
        if (!v_.together) HST_RETURN_IF_ERROR(Evaluate(*varied, one_b, at, n, c));
        HST_ASSIGN_OR_RETURN(const calib::RowBlock x, plain->RowsOf(0));
        HST_ASSIGN_OR_RETURN(const calib::RowBlock y, varied->RowsOf(v_.together ? static_cast<size_t>(c) : 0));
        check.largest_difference = std::max(check.largest_difference, Difference(x, y));
        check.tokens += n;
      }
    }
    return check;
  }

 private:
  Status Evaluate(BatchSession& session, std::span<const hst_sequence> sequences, int64_t at, int64_t n, int64_t first_chunk = 0) {
    std::vector<BatchItem> items;
    for (size_t i = 0; i < sequences.size(); ++i) {
      items.push_back({sequences[i], chunks_.At(first_chunk + static_cast<int64_t>(i)).subspan(static_cast<size_t>(at), static_cast<size_t>(n)), calib::Rows::kAll});
    }
    return session.Evaluate(items);
  }

  // Goes on with forks, as a prefix cache does.
  static Status ForkAll(BatchSession& session, std::vector<hst_sequence>& sequences) {
    for (hst_sequence& s : sequences) {
      HST_ASSIGN_OR_RETURN(const hst_sequence fork, session.Fork(s));
      HST_RETURN_IF_ERROR(session.Free(s));
      s = fork;
    }
    return {};
  }

  const Artifact &artifact_, &other_;
  const calib::Chunks& chunks_;
  const Variant& v_;
  const NoiseOptions& o_;
};

// On a device the CPU's kernels are others, and its threads are nothing that could change.
std::vector<Variant> Variants(const Artifact& artifact, int threads) {
  std::vector<Variant> list;
  list.push_back({.name = "candidate, two sequences a call and forked halfway", .options = {.threads = threads}, .together = true});
  list.push_back({.name = "candidate, prefill in chunks of 37", .options = {.threads = threads, .prefill_chunk = 37}});
  if (artifact.on_cpu()) list.push_back({.name = StrCat("candidate, ", threads == 1 ? 2 : 1, threads == 1 ? " threads" : " thread"), .options = {.threads = threads == 1 ? 2 : 1}});
  for (const Isa other : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni}) {
    const std::string name(IsaName(other));
    if ((artifact.on_cpu() && name == artifact.info().isa) || !IsaAvailable(other)) continue;
    Variant v{.name = StrCat("candidate, ", artifact.on_cpu() ? "" : "the CPU's ", "kernels of ", name), .isa = name, .options = {.threads = threads}};
    if (name == "scalar") v.chunks = 1, v.tokens = kScalarTokens;
    list.push_back(std::move(v));
  }
  return list;
}

}  // namespace

Result<std::vector<NoiseCheck>> CandidateNoise(const Artifact& artifact, const calib::Chunks& chunks, const NoiseOptions& options) {
  std::vector<NoiseCheck> checks;
  for (const Variant& v : Variants(artifact, options.threads)) {
    std::unique_ptr<Artifact> other;
    if (!v.isa.empty()) {
      HST_ASSIGN_OR_RETURN(other, Artifact::Open(options.candidate, v.isa));
    }
    HST_ASSIGN_OR_RETURN(NoiseCheck check, Comparison(artifact, other ? *other : artifact, chunks, v, options).Run());
    checks.push_back(std::move(check));
  }
  return checks;
}

Result<std::vector<NoiseCheck>> EncoderNoise(const Artifact& artifact, const std::vector<std::vector<int32_t>>& texts, const NoiseOptions& options) {
  const size_t count = std::min<size_t>(2, texts.size());
  const auto fresh = [count](BatchSession& session, std::span<const std::vector<int32_t>> all) -> Result<std::vector<BatchItem>> {
    std::vector<BatchItem> items;
    for (size_t i = 0; i < count; ++i) {
      HST_ASSIGN_OR_RETURN(const hst_sequence sequence, session.New());
      items.push_back({sequence, all[i], calib::Rows::kAll});
    }
    return items;
  };
  int64_t capacity = 0;   // both, each from a page of its own
  for (size_t i = 0; i < count; ++i) capacity += static_cast<int64_t>(texts[i].size()) + kStep;
  std::vector<NoiseCheck> checks;
  for (const Variant& v : Variants(artifact, options.threads)) {
    if (v.options.prefill_chunk) continue;   // an encoder reads a text whole
    std::unique_ptr<Artifact> other;
    if (!v.isa.empty()) {
      HST_ASSIGN_OR_RETURN(other, Artifact::Open(options.candidate, v.isa));
    }
    calib::SessionOptions how = v.options;
    how.cancel = options.cancel, how.capacity = capacity;
    HST_ASSIGN_OR_RETURN(const auto plain, BatchSession::Create(artifact, {.threads = options.threads, .capacity = capacity, .cancel = options.cancel}));
    HST_ASSIGN_OR_RETURN(const auto varied, BatchSession::Create(other ? *other : artifact, how));
    HST_ASSIGN_OR_RETURN(const std::vector<BatchItem> a, fresh(*plain, texts));
    HST_ASSIGN_OR_RETURN(const std::vector<BatchItem> b, fresh(*varied, texts));
    NoiseCheck check{v.together ? "candidate, two texts a call" : v.name, 0, 0, true, ""};
    if (v.together) HST_RETURN_IF_ERROR(varied->Evaluate(b));
    for (size_t i = 0; i < count; ++i) {
      HST_RETURN_IF_ERROR(plain->Evaluate({&a[i], 1}));
      if (!v.together) HST_RETURN_IF_ERROR(varied->Evaluate({&b[i], 1}));
      HST_ASSIGN_OR_RETURN(const calib::RowBlock x, plain->RowsOf(0));
      HST_ASSIGN_OR_RETURN(const calib::RowBlock y, varied->RowsOf(v.together ? i : 0));
      check.largest_difference = std::max(check.largest_difference, Difference(x, y));
      check.tokens += static_cast<int64_t>(texts[i].size());
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

Result<NoiseCheck> ReferenceNoise(const std::string& model, calib::ReferenceModel& reference, const calib::Chunks& chunks, int threads,
                                  const std::atomic<bool>* cancel) {
  const int other_threads = threads == 1 ? 2 : threads - 1;
  HST_ASSIGN_OR_RETURN(const auto other, calib::ReferenceModel::Open(model, other_threads, cancel));
  const auto tokens = chunks.At(0);
  HST_ASSIGN_OR_RETURN(const ir::Tensor a, reference.Logits(tokens));
  HST_ASSIGN_OR_RETURN(const ir::Tensor b, other->Logits(tokens));
  NoiseCheck check{StrCat("reference, ", threads, " threads against ", other_threads), static_cast<int64_t>(tokens.size()), 0, false, ""};
  const size_t cols = static_cast<size_t>(a.dim(1));
  double kld = 0;
  for (int64_t p = chunks.first_scored; p + 1 < chunks.context; ++p) {
    const std::span<const float> x(a.data<float>() + p * a.dim(1), cols), y(b.data<float>() + p * a.dim(1), cols);
    for (size_t i = 0; i < cols; ++i) check.largest_difference = std::max(check.largest_difference, static_cast<double>(std::abs(x[i] - y[i])));
    kld += calib::ScoreToken(x, y, tokens[static_cast<size_t>(p + 1)]).kld / static_cast<double>(chunks.scored());
  }
  check.note = StrCat("mean KL divergence ", kld, " nats");
  return check;
}

Result<BrokenRows> FindBrokenRows(const calib::Artifact& artifact, int threads, const std::atomic<bool>* cancel) {
  const calib::ArtifactInfo& info = artifact.info();
  std::vector<int32_t> tokens(static_cast<size_t>(std::min<int64_t>({kStep, info.max_positions, info.vocab})));
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(static_cast<int64_t>(i) * info.vocab / static_cast<int64_t>(tokens.size()));
  HST_ASSIGN_OR_RETURN(const auto session, calib::Session::Create(artifact, {.threads = threads, .capacity = kStep, .cancel = cancel}));
  HST_ASSIGN_OR_RETURN(const calib::RowBlock block, session->Evaluate(tokens, calib::Rows::kAll));
  BrokenRows found{.rows = block.rows};
  for (int64_t r = 0; r < block.rows; ++r) {
    const auto row = block.At(r);
    const bool sound = info.causal ? calib::IsDistribution(row) : std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); });
    found.broken += !sound;
  }
  return found;
}

}  // namespace hasten::gate
