#include "calib/eval/reference_rows.h"

#include <algorithm>

namespace hasten::calib {
namespace {

// Rows of a tensor [tokens, vocab], from `first` on.
class TensorRows : public RowSource {
 public:
  TensorRows(ir::Tensor logits, int64_t first, int64_t rows) : RowSource(rows, logits.dim(1)), logits_(std::move(logits)), first_(first) {}
  void Row(int64_t r, std::span<float> out) const override { std::copy_n(Data(r), cols(), out.begin()); }
  const float* Data(int64_t r) const { return logits_.data<float>() + (first_ + r) * cols(); }

 private:
  ir::Tensor logits_;
  int64_t first_;
};

Result<std::shared_ptr<const TensorRows>> Compute(ReferenceModel& model, const Chunks& chunks, int64_t i) {
  const std::span<const int32_t> tokens = chunks.At(i);
  HST_ASSIGN_OR_RETURN(ir::Tensor logits, model.Logits(tokens));
  const int32_t largest = *std::max_element(tokens.begin(), tokens.end());
  if (largest >= logits.dim(1)) {
    return BadInput("the reference has a vocabulary of ", logits.dim(1), ", the candidate's tokenizer makes token ", largest,
                    "; they are not the same model");
  }
  return std::make_shared<const TensorRows>(std::move(logits), chunks.first_scored, chunks.scored());
}

}  // namespace

ReferenceRows InterpretedRows(ReferenceModel& model, const Chunks& chunks) {
  return [&model, &chunks](int64_t i) -> Result<std::shared_ptr<const RowSource>> {
    HST_ASSIGN_OR_RETURN(const std::shared_ptr<const TensorRows> rows, Compute(model, chunks, i));
    return std::shared_ptr<const RowSource>(rows);
  };
}

ReferenceRows KeptRows(ReferenceModel& model, const Chunks& chunks, const Store& store) {
  return [&model, &chunks, &store](int64_t i) -> Result<std::shared_ptr<const RowSource>> {
    const std::string key = KeyBuilder("reference rows 1").Add(model.digest()).Add(chunks.first_scored).Add(chunks.At(i)).Finish();
    if (const auto bytes = store.Get(key)) {
      const Result<std::shared_ptr<const StoredRows>> rows = StoredRows::Parse(*bytes);
      if (rows.ok() && (*rows)->rows() == chunks.scored()) return std::shared_ptr<const RowSource>(*rows);
    }
    HST_ASSIGN_OR_RETURN(const std::shared_ptr<const TensorRows> computed, Compute(model, chunks, i));
    const auto next = chunks.At(i).subspan(static_cast<size_t>(chunks.first_scored + 1));
    const std::shared_ptr<const StoredRows> rows = StoredRows::From(computed->Data(0), computed->rows(), computed->cols(), next);
    store.Put(key, rows->Bytes());
    return std::shared_ptr<const RowSource>(rows);
  };
}

}  // namespace hasten::calib
