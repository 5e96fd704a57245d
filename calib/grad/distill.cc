#include "calib/grad/distill.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numbers>
#include <numeric>

#include "calib/eval/reference.h"
#include "calib/grad/loss.h"
#include "calib/grad/network.h"
#include "calib/grad/parameters.h"
#include "passes/recognize/roles.h"
#include "runtime/base/sha256.h"

namespace hasten::calib {
namespace {

Status RoundTheRest(const plan::ProgramPlan& plan, Trained& trained) {
  std::vector<passes::OwnedCodes>& codes = trained.codes;
  trained.nearest.assign(codes.size(), 0);
  std::vector<float> w;
  for (size_t i = 0; i < codes.size(); ++i) {
    const plan::TensorPlan& t = plan.tensors[i];
    if (!codes[i].codes.empty() || !GetScheme(t.scheme).integer) continue;
    trained.nearest[i] = 1;
    w.resize(static_cast<size_t>(t.n * t.k));
    t.GatherRows(0, t.n, w.data());
    HST_RETURN_IF_ERROR(passes::QuantizeRtn(t.scheme, t.n, t.k, w, &codes[i]).Annotate(StrCat("weight \"", t.name, "\"")));
  }
  return {};
}

double RateAt(const DistillOptions& o, int64_t step) {
  if (step < o.warmup) return o.rate * static_cast<double>(step + 1) / static_cast<double>(o.warmup + 1);
  const double done = static_cast<double>(step - o.warmup) / static_cast<double>(std::max<int64_t>(1, o.steps - o.warmup));
  return o.rate * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

// The samples in an order that is spread over the text: multiples of a number near
// the golden section of their count and without a common divisor with it.
int64_t SampleAt(int64_t step, int64_t count) {
  int64_t stride = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(count) * 0.618));
  while (std::gcd(stride, count) != 1) ++stride;
  return step % count * stride % count;
}

// What the state belongs to: all that training depends on but the model's floats, which
// the codes were made from.
Sha256Digest KeyOf(const plan::ProgramPlan& plan, const Chunks& samples, const DistillOptions& o, const Trained& trained) {
  Sha256 sha;
  const auto add = [&](const auto& v) { sha.Update(v.data(), v.size() * sizeof(v[0])); };
  const double numbers[] = {static_cast<double>(o.steps), o.rate, o.beta1, o.beta2, static_cast<double>(o.warmup), o.vectors ? 1.0 : 0.0,
                            static_cast<double>(samples.context)};
  add(std::span(numbers));
  add(samples.tokens);
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const plan::TensorPlan& t = plan.tensors[i];
    const int64_t sizes[] = {static_cast<int64_t>(t.scheme), t.n, t.k};
    add(std::span(sizes));
    add(trained.codes[i].codes), add(trained.codes[i].scale), add(trained.codes[i].zero);
  }
  return sha.Finish();
}

Status Save(const std::string& path, const Sha256Digest& key, int64_t steps, const TrainedValues& values) {
  std::vector<std::byte> bytes(sizeof(key) + sizeof(steps));
  std::memcpy(bytes.data(), key.data(), sizeof(key));
  std::memcpy(bytes.data() + sizeof(key), &steps, sizeof(steps));
  const std::vector<std::byte> state = values.Save();
  bytes.insert(bytes.end(), state.begin(), state.end());
  const Sha256Digest digest = Sha256Of(bytes);
  const std::string temporary = path + ".tmp";
  std::ofstream out(temporary, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.write(reinterpret_cast<const char*>(digest.data()), sizeof(digest));
  out.close();
  if (out && std::rename(temporary.c_str(), path.c_str()) == 0) return {};
  std::remove(temporary.c_str());
  return ResourceError("cannot write the checkpoint ", path);
}

// The steps that are done; 0 for no file, or one that is damaged or of another training.
int64_t Load(const std::string& path, const Sha256Digest& key, const DistillOptions& o, TrainedValues& values) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto all = std::as_bytes(std::span(text));
  int64_t steps = 0;
  if (all.size() < sizeof(key) + sizeof(steps) + sizeof(Sha256Digest)) return 0;
  const auto body = all.first(all.size() - sizeof(Sha256Digest));
  const Sha256Digest digest = Sha256Of(body);
  if (std::memcmp(digest.data(), all.data() + body.size(), sizeof(digest)) != 0 || std::memcmp(key.data(), all.data(), sizeof(key)) != 0) return 0;
  std::memcpy(&steps, all.data() + sizeof(key), sizeof(steps));
  if (steps < 0 || steps > o.steps || !values.Load(body.subspan(sizeof(key) + sizeof(steps)))) return 0;
  return steps;
}

}  // namespace

Status Distill(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const DistillOptions& options, ThreadPool& pool,
               Trained* trained) {
  HST_CHECK(trained->codes.size() == plan.tensors.size());
  HST_RETURN_IF_ERROR(RoundTheRest(plan, *trained));
  trained->vectors.resize(plan.tensors.size());
  HST_ASSIGN_OR_RETURN(const recognize::Roles roles, recognize::AssignRoles(graph));
  NetworkOptions network;
  network.cancel = options.cancel;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Network> original, Network::Create(graph, plan, network, pool));
  network.codes = &trained->codes, network.vectors = &trained->vectors;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Network> quantized, Network::Create(graph, plan, network, pool));
  const Sha256Digest key = KeyOf(plan, samples, options, *trained);   // before the values are moved
  TrainedValues values(plan, options.vectors, *trained);
  const int64_t done = options.checkpoint.empty() ? 0 : Load(options.checkpoint, key, options, values);
  const size_t output = MainOutput(graph);
  const bool logits = std::any_of(plan.outputs.begin(), plan.outputs.end(), [](const plan::OutputPlan& o) { return o.logits; });
  for (int64_t step = done; step < options.steps; ++step) {
    HST_ASSIGN_OR_RETURN(const std::vector<ir::Tensor> inputs, SequenceInputs(graph, roles, samples.At(SampleAt(step, samples.count))));
    HST_ASSIGN_OR_RETURN(ir::Tensor y, quantized->Forward(inputs, output, true));
    HST_ASSIGN_OR_RETURN(ir::Tensor wanted, original->Forward(inputs, output, false));
    const int64_t n = y.dim(-1);
    const double loss = (logits ? KlDivergence : RelativeError)(y.elements() / n, n, wanted.data<float>(), y.mutable_data<float>(), pool);
    if (!std::isfinite(loss)) return BadInput("distillation: the logits are not all finite in step ", step + 1);
    if (options.loss) options.loss(step, loss);
    wanted = {};   // 100 MB of a SmolLM2's
    HST_RETURN_IF_ERROR(quantized->Backward(std::move(y), values));
    values.Step({RateAt(options, step), options.beta1, options.beta2, step + 1}, pool);
    if (!options.checkpoint.empty() && (step + 1) % options.checkpoint_every == 0)
      HST_RETURN_IF_ERROR(Save(options.checkpoint, key, step + 1, values));
    if (options.update) options.update(static_cast<uint64_t>(step + 1), static_cast<uint64_t>(options.steps));
  }
  if (!options.checkpoint.empty()) std::remove(options.checkpoint.c_str());
  return {};
}

}  // namespace hasten::calib
