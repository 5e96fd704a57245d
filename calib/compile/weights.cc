#include "calib/compile/weights.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <new>
#include <numeric>
#include <vector>

#include "passes/quant/rtn.h"

namespace hasten::calib {
namespace {

// Rows of a tile: a multiple of the packed layout's blocks of 16. A matrix stored
// [K, N] is then read in runs of 256 bytes; 64 rows of 50,000 are 13 MB a thread.
constexpr int64_t kTileRows = 64;

// The failure of the lowest row wins, so that the message does not depend on threads.
class FirstFailure {
 public:
  void Add(int64_t row, Status status) {
    const std::lock_guard lock(mutex_);
    if (!status.ok() && (row_ < 0 || row < row_)) row_ = row, status_ = std::move(status);
  }
  Status Take() { return std::move(status_); }

 private:
  std::mutex mutex_;
  int64_t row_ = -1;
  Status status_;
};

Status CheckFinite(const plan::TensorPlan& tensor, int64_t first_row, std::span<const float> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (std::isfinite(rows[i])) continue;
    const int64_t at = static_cast<int64_t>(i);
    return BadInput("weight \"", tensor.name, "\": row ", first_row + at / tensor.k, ", column ", at % tensor.k, " is ",
                    rows[i], ", not a finite number; the model is damaged");
  }
  return {};
}

Status PackTile(const plan::TensorPlan& tensor, int64_t tile, std::vector<float>& rows, std::span<std::byte> packed) {
  const int64_t begin = tile * kTileRows, end = std::min(tensor.n, begin + kTileRows);
  rows.resize(static_cast<size_t>((end - begin) * tensor.k));
  tensor.GatherRows(begin, end, rows.data());
  HST_RETURN_IF_ERROR(CheckFinite(tensor, begin, rows));
  return passes::QuantizeAndPack(tensor.scheme, tensor.n, tensor.k, begin, rows, packed)
      .Annotate(StrCat("weight \"", tensor.name, "\""));
}

Status PackTensor(const plan::TensorPlan& tensor, ThreadPool& pool, std::vector<std::vector<float>>& rows,
                  std::span<std::byte> packed) {
  FirstFailure failure;
  const int64_t tiles = (tensor.n + kTileRows - 1) / kTileRows;
  pool.Run(tiles, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t tile = begin; tile < end; ++tile) {
      try {
        failure.Add(tile, PackTile(tensor, tile, rows[static_cast<size_t>(thread)], packed));
      } catch (const std::bad_alloc&) {  // must not leave the pool's thread
        failure.Add(tile, ResourceError("weight \"", tensor.name, "\": out of memory"));
      }
    }
  });
  return failure.Take();
}

// |W - W^|^2 / |W|^2 of what was packed, by tile and then in their order.
double RelativeError(const plan::TensorPlan& tensor, std::span<const std::byte> packed, ThreadPool& pool) {
  const int64_t tiles = (tensor.n + kTileRows - 1) / kTileRows;
  std::vector<double> lost(static_cast<size_t>(tiles)), all(static_cast<size_t>(tiles));
  pool.Run(tiles, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> rows(static_cast<size_t>(kTileRows * tensor.k)), row(static_cast<size_t>(tensor.k));
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * kTileRows, last = std::min(tensor.n, first + kTileRows);
      tensor.GatherRows(first, last, rows.data());
      for (int64_t r = first; r < last; ++r) {
        UnpackRow(tensor.scheme, tensor.n, tensor.k, packed.data(), r, row.data());
        const float* w = rows.data() + (r - first) * tensor.k;
        for (int64_t i = 0; i < tensor.k; ++i) {
          const double d = static_cast<double>(w[i]) - row[static_cast<size_t>(i)];
          lost[static_cast<size_t>(tile)] += d * d, all[static_cast<size_t>(tile)] += static_cast<double>(w[i]) * w[i];
        }
      }
    }
  });
  const double total = std::accumulate(all.begin(), all.end(), 0.0);
  return total > 0 ? std::accumulate(lost.begin(), lost.end(), 0.0) / total : 0;
}

// Zeros up to the tensor's place.
Status PadTo(uint64_t offset, ArtifactWriter& writer) {
  static constexpr std::byte kZeros[kPageAlignment] = {};
  HST_CHECK(offset >= writer.section_bytes() && offset - writer.section_bytes() < kPageAlignment);
  return writer.Append({kZeros, offset - writer.section_bytes()});
}

QuantizeMethod MethodOf(Scheme scheme, bool calibrated) {
  if (!GetScheme(scheme).integer) return QuantizeMethod::kNone;
  return calibrated ? QuantizeMethod::kGptq : QuantizeMethod::kRoundToNearest;
}

}  // namespace

Status WriteWeights(const plan::ProgramPlan& plan, const Trained& values, ThreadPool& pool, const WeightsProgress& progress,
                    ArtifactWriter& writer, std::vector<TensorMaking>* makings) {
  const auto& [codes, vectors, nearest] = values;
  HST_CHECK(codes.empty() || codes.size() == plan.tensors.size());
  HST_CHECK(vectors.empty() || vectors.size() == plan.tensors.size());
  HST_CHECK(nearest.empty() || nearest.size() == plan.tensors.size());
  std::vector<std::vector<float>> rows(static_cast<size_t>(pool.threads()));
  std::vector<std::byte> packed;
  HST_RETURN_IF_ERROR(writer.BeginSection(SectionKind::kWeights, kPageAlignment));
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const plan::TensorPlan& tensor = plan.tensors[i];
    if (progress.cancel && *progress.cancel) return Status(Code::kCancelled, "interrupted");
    packed.assign(tensor.bytes, std::byte{0});
    if (!codes.empty() && !codes[i].codes.empty()) {
      HST_RETURN_IF_ERROR(PackCodes(tensor.scheme, tensor.n, tensor.k, codes[i].View(), packed).Annotate(StrCat("weight \"", tensor.name, "\"")));
    } else if (!vectors.empty() && !vectors[i].empty()) {
      HST_RETURN_IF_ERROR(PackFloats(tensor.scheme, tensor.n, tensor.k, vectors[i], packed).Annotate(StrCat("weight \"", tensor.name, "\"")));
    } else {
      HST_RETURN_IF_ERROR(PackTensor(tensor, pool, rows, packed));
    }
    const bool calibrated = !codes.empty() && !codes[i].codes.empty() && (nearest.empty() || !nearest[i]);
    makings->push_back({.method = MethodOf(tensor.scheme, calibrated)});
    if (GetScheme(tensor.scheme).integer) makings->back().error = static_cast<float>(calibrated ? codes[i].error : RelativeError(tensor, packed, pool));
    HST_RETURN_IF_ERROR(PadTo(tensor.offset, writer));
    HST_RETURN_IF_ERROR(writer.Append(packed));
    if (progress.report) progress.report(writer.section_bytes(), plan.weights_bytes);
  }
  HST_CHECK(writer.section_bytes() == plan.weights_bytes);
  return writer.EndSection();
}

}  // namespace hasten::calib
