#include "calib/grad/distill.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <numbers>

#include "calib/eval/reference.h"
#include "calib/grad/loss.h"
#include "calib/grad/network.h"
#include "calib/grad/parameters.h"
#include "calib/grad/schedule.h"
#include "passes/recognize/roles.h"
#include "runtime/base/sha256.h"

namespace hasten::calib {
namespace {

// The part of a rate that a step has.
double PartOfRate(const DistillOptions& o, int64_t step) {
  if (step < o.warmup) return static_cast<double>(step + 1) / static_cast<double>(o.warmup + 1);
  const double done = static_cast<double>(step - o.warmup) / static_cast<double>(std::max<int64_t>(1, o.steps - o.warmup));
  return 0.5 * (1 + std::cos(std::numbers::pi * done));
}

// What the state belongs to: all that training depends on but the model's floats, which
// the codes were made from.
Sha256Digest KeyOf(const plan::ProgramPlan& plan, const Chunks& samples, const DistillOptions& o, const Trained& trained) {
  Sha256 sha;
  const auto add = [&](const auto& v) { sha.Update(v.data(), v.size() * sizeof(v[0])); };
  const double numbers[] = {static_cast<double>(o.steps), o.rate, o.beta1, o.beta2, static_cast<double>(o.warmup), o.vectors ? 1.0 : 0.0, o.latent_rate,
                            static_cast<double>(samples.context)};
  add(std::span(numbers));
  add(samples.tokens);
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const plan::TensorPlan& t = plan.tensors[i];
    const int64_t sizes[] = {static_cast<int64_t>(t.scheme), t.n, t.k};
    add(std::span(sizes));
    add(trained.codes[i].codes), add(trained.codes[i].scale), add(trained.codes[i].zero), add(trained.codes[i].fraction);
  }
  return sha.Finish();
}

// In pieces: the state is as large as the codes.
Status Save(const std::string& path, const Sha256Digest& key, int64_t steps, TrainedValues& values) {
  const std::string temporary = path + ".tmp";
  std::ofstream out(temporary, std::ios::binary);
  Sha256 sha;
  const auto put = [&](std::span<const std::byte> bytes) {
    sha.Update(bytes);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  put(std::as_bytes(std::span(key)));
  put(std::as_bytes(std::span(&steps, 1)));
  values.ForState(put);
  const Sha256Digest digest = sha.Finish();
  out.write(reinterpret_cast<const char*>(digest.data()), sizeof(digest));
  out.close();
  if (out && std::rename(temporary.c_str(), path.c_str()) == 0) return {};
  std::remove(temporary.c_str());
  return ResourceError("cannot write the checkpoint ", path);
}

// Whether the file ends with the digest of what is before, which has `size` bytes.
bool IsWhole(std::ifstream& in, uint64_t size) {
  std::vector<char> piece(1 << 20);
  Sha256 sha;
  while (size > 0 && in) {
    in.read(piece.data(), static_cast<std::streamsize>(std::min<uint64_t>(size, piece.size())));
    sha.Update(piece.data(), static_cast<size_t>(in.gcount()));
    size -= static_cast<uint64_t>(in.gcount());
  }
  Sha256Digest digest;
  in.read(reinterpret_cast<char*>(digest.data()), sizeof(digest));
  return in && digest == sha.Finish() && in.peek() == std::ifstream::traits_type::eof();
}

// The steps that are done; 0 for no file, or one that is damaged or of another training.
int64_t Load(const std::string& path, const Sha256Digest& key, const DistillOptions& o, TrainedValues& values) {
  std::ifstream in(path, std::ios::binary);
  int64_t steps = 0;
  Sha256Digest found;
  const auto get = [&](std::span<std::byte> bytes) { in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())); };
  uint64_t size = sizeof(found) + sizeof(steps);
  values.ForState([&](std::span<std::byte> bytes) { size += bytes.size(); });
  if (!in || !IsWhole(in, size)) return 0;
  in.clear();
  in.seekg(0);
  get(std::as_writable_bytes(std::span(found)));
  get(std::as_writable_bytes(std::span(&steps, 1)));
  if (found != key || steps < 0 || steps > o.steps) return 0;
  values.ForState(get);
  if (!in) return 0;
  values.Restored();
  return steps;
}

}  // namespace

Status RoundTheRest(const plan::ProgramPlan& plan, Trained& trained) {
  std::vector<passes::OwnedCodes>& codes = trained.codes;
  trained.nearest.resize(codes.size());
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
    values.SetLatentRate(options.latent_rate * PartOfRate(options, step));
    HST_RETURN_IF_ERROR(quantized->Backward(std::move(y), values));
    values.Step({options.rate * PartOfRate(options, step), options.beta1, options.beta2, step + 1}, pool);
    if (!options.checkpoint.empty() && (step + 1) % options.checkpoint_every == 0)
      HST_RETURN_IF_ERROR(Save(options.checkpoint, key, step + 1, values));
    if (options.update) options.update(static_cast<uint64_t>(step + 1), static_cast<uint64_t>(options.steps));
  }
  if (!options.checkpoint.empty()) std::remove(options.checkpoint.c_str());
  return {};
}

}  // namespace hasten::calib
