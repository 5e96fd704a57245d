// Errors by layer, from what both models cache: the public interface shows no other
// intermediate value, and keys and values are what a layer hands to all later tokens.
#include <cmath>

#include "calib/abi/batch.h"
#include "calib/gate/describe.h"

namespace hasten::gate {
namespace {

double RelativeError(std::span<const float> candidate, std::span<const float> reference) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double r = reference[i], d = candidate[i] - r;
    difference += d * d;
    size += r * r;
  }
  return size > 0 ? std::sqrt(difference / size) : 0;
}

// The reference's tensor for the cache input `name`, or null.
const ir::Tensor* Find(const calib::ReferenceModel& model, const std::vector<ir::Tensor>& present, const char* name) {
  for (size_t i = 0; i < present.size(); ++i) {
    if (model.caches()[i] == name) return &present[i];
  }
  return nullptr;
}

}  // namespace

Status DescribeLayers(const Evidence& e, int threads, Report& report) {
  if (!e.reference || !e.reference->cached() || !e.has_text) return {};
  const auto tokens = e.text.chunks.At(0);
  const int64_t n = static_cast<int64_t>(tokens.size());
  HST_ASSIGN_OR_RETURN(const auto session, calib::BatchSession::Create(*e.artifact, {.threads = threads, .capacity = n + 64}));
  HST_ASSIGN_OR_RETURN(const hst_sequence sequence, session->New());
  const calib::BatchItem item{sequence, tokens, calib::Rows::kNone};
  HST_RETURN_IF_ERROR(session->Evaluate({&item, 1}));
  HST_ASSIGN_OR_RETURN(const calib::ReferenceModel::Output output, e.reference->Run({.tokens = tokens, .length = n}));
  for (uint32_t l = 0;; ++l) {
    hst_layer_info info = HST_LAYER_INFO_INIT;
    hst_error* error = nullptr;
    const bool there = hst_model_get_layer(e.artifact->get(), l, &info, &error) == HST_OK;
    hst_error_free(error);
    if (!there) return {};
    const ir::Tensor* const k = Find(*e.reference, output.present, info.past_k);
    const ir::Tensor* const v = Find(*e.reference, output.present, info.past_v);
    std::vector<float> keys(static_cast<size_t>(n * info.kv_heads * info.head_dim)), values(static_cast<size_t>(n * info.kv_heads * info.v_head_dim));
    const auto fits = [](const ir::Tensor* t, const std::vector<float>& x) {
      return t && t->dtype() == DType::kF32 && t->elements() == static_cast<int64_t>(x.size());
    };
    if (!fits(k, keys) || !fits(v, values)) continue;   // another layout than the artifact's: nothing to compare
    HST_RETURN_IF_ERROR(session->ExportLayer(sequence, l, keys, values));
    report.layers.push_back({StrCat("layer ", l), RelativeError(keys, k->span<float>()), RelativeError(values, v->span<float>())});
  }
}

}  // namespace hasten::gate
