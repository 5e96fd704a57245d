// Opening a model: shapes and limits from the checked program, kernels bound.
#include "runtime/engine/model.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "runtime/base/fp_env.h"
#include "runtime/engine/tokenizer/tokenizer.h"
#include "runtime/format/program_check.h"
#include "runtime/kernels/rope/contract.h"

namespace hasten {
namespace {

AttentionShape ShapeOf(const fb::Layer& l, KvType kv) {
  AttentionShape s;
  s.heads = l.heads();
  s.kv_heads = l.kv_heads();
  s.head_dim = l.head_dim();
  s.v_head_dim = l.v_head_dim();
  s.scale = l.scale();
  s.causal = l.causal();
  s.window = static_cast<int64_t>(l.window());
  s.softcap = l.softcap();
  s.kv = kv;
  s.ahead = static_cast<int64_t>(l.ahead());
  s.slopes = l.slopes() ? l.slopes()->data() : nullptr;   // in the mapped file, which the model holds
  return s;
}

// The first position that the program cannot handle.
int64_t PositionLimit(const fb::Program& p) {
  uint64_t limit = p.max_positions() ? p.max_positions() : ProgramLimits::kPositions;
  for (const fb::Instr* i : *p.instrs())
    if (const fb::Embed* e = i->op_as_Embed(); e && e->source() == fb::Source::Positions)
      limit = std::min(limit, p.tensors()->Get(e->table())->n() - static_cast<uint64_t>(e->index_offset()));
  for (uint32_t i = 0; p.layers() && i < p.layers()->size(); ++i)
    if (p.layers()->Get(i)->slopes()) limit = std::min<uint64_t>(limit, kAlibiPositions);
  return static_cast<int64_t>(limit);
}

}  // namespace

Model::~Model() = default;

Result<std::shared_ptr<const Model>> Model::Open(const std::string& path, const ModelOptions& options) {
  const ScopedFpEnv fp;
  std::shared_ptr<Model> m(new Model);
  HST_ASSIGN_OR_RETURN(m->file_, ArtifactFile::Open(path));
  if (options.verify_digests && !options.device) HST_RETURN_IF_ERROR(m->Verify(nullptr));
  if (options.huge_pages && !options.device && m->file_->weights().size() >= HugeWeights::kLeastBytes)
    m->huge_weights_ = std::make_unique<HugeWeights>(m->file_->weights());
  if (options.verify_digests && options.device) HST_RETURN_IF_ERROR(m->BindAndVerify(options));
  else if (Status s = m->Bind(options); !s.ok()) return std::move(s).Annotate(path);
  return std::shared_ptr<const Model>(std::move(m));
}

Status Model::Verify(const std::atomic<bool>* cancel) {
  const auto start = std::chrono::steady_clock::now();
  const Status status = file_->VerifyDigests(cancel);
  verify_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return status;
}

// Both read the file's pages at the same time. What the digests say comes first: of a damaged
// file it is the reason, whatever else fails. Only a device without room is not waited for.
Status Model::BindAndVerify(const ModelOptions& options) {
  std::atomic<bool> cancel = false;
  std::future<Status> verified = std::async(std::launch::async, [&] { return Verify(&cancel); });
  Status bound = Bind(options);
  cancel = bound.code() == Code::kResource;
  Status status = verified.get();
  if (!status.ok() && status.code() != Code::kCancelled) return status;
  return bound.ok() ? Status() : std::move(bound).Annotate(file_->path());
}

Status Model::Bind(const ModelOptions& options) {
  isa_ = options.isa.value_or(BestIsa());
  if (!IsaAvailable(isa_)) return UsageError("instruction set ", IsaName(isa_), " is not on this machine");
  if (program().layers())
    for (const fb::Layer* l : *program().layers()) layers_.push_back(ShapeOf(*l, kv_type()));
  max_positions_ = PositionLimit(program());
  Binding binding{program(), file_->weights(), layers_, isa_};
  if (options.device) {
    HST_ASSIGN_OR_RETURN(on_device_, DeviceModel::Load(options.device, *file_, layers_));
    binding.weights = on_device_->weights(), binding.layers = on_device_->layers();
    binding.device = options.device.get(), binding.arch = options.device->Info().arch;
  }
  HST_ASSIGN_OR_RETURN(instructions_, BindInstructions(binding));
  if (options.device) device_launches_ = FuseInstructions(binding, instructions_);
  weights_after_.resize(instructions_.size());
  for (size_t i = instructions_.size(); i-- > 1;)
    weights_after_[i - 1] = instructions_[i]->weights().empty() ? weights_after_[i] : instructions_[i]->weights();
  return {};
}

// Doubling, so that a sequence that grows token by token does not rebuild often; an entry
// does not depend on the table's length.
int64_t Model::GrownPositions(int64_t positions) const {
  int64_t n = 1024;
  while (n < positions) n *= 2;
  return std::max(positions, std::min(n, max_positions_));
}

Result<std::shared_ptr<const RopeTables>> Model::Rope(int64_t positions, int64_t reach) const {
  const std::lock_guard lock(rope_mutex_);
  if (rope_ && rope_->positions >= positions && rope_->reach >= reach) return rope_;
  const ScopedFpEnv fp;
  if (on_device_) return RopeOnDevice(positions, reach);
  auto tables = std::make_shared<RopeTables>();
  tables->positions = GrownPositions(positions);
  if (program().rope_tables())
    for (const fb::RopeTable* t : *program().rope_tables()) {
      const std::span<const float> inv_freq(t->inv_freq()->data(), t->inv_freq()->size());
      std::vector<float> values(static_cast<size_t>(tables->positions) * inv_freq.size() * 2);
      BuildRopeTable(inv_freq, t->scale(), tables->positions, values);
      tables->pointers.push_back(values.data());
      tables->values.push_back(std::move(values));
    }
  rope_ = std::move(tables);
  return rope_;
}

// Entries are added behind those that kernels may be reading; where the memory is too small, all are made anew.
Result<std::shared_ptr<const RopeTables>> Model::RopeOnDevice(int64_t positions, int64_t reach) const {
  auto tables = std::make_shared<RopeTables>();
  if (rope_ && rope_->reach >= std::max(positions, reach)) *tables = *rope_;
  else tables->reach = std::max(positions, reach);
  const int64_t first = tables->positions;
  if (positions > first) tables->positions = std::min(GrownPositions(positions), tables->reach);
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Queue> queue, on_device_->device().NewQueue());
  for (uint32_t i = 0; program().rope_tables() && i < program().rope_tables()->size(); ++i) {
    const fb::RopeTable& t = *program().rope_tables()->Get(i);
    const std::span<const float> inv_freq(t.inv_freq()->data(), t.inv_freq()->size());
    if (tables->on_device.size() == i) {
      const uint64_t bytes = static_cast<uint64_t>(tables->reach) * inv_freq.size() * 2 * sizeof(float);
      HST_ASSIGN_OR_RETURN(DeviceMemory memory, on_device_->device().Allocate(std::max<uint64_t>(bytes, 1), "a RoPE table"));
      tables->pointers.push_back(reinterpret_cast<const float*>(memory.data()));
      tables->on_device.push_back(std::make_shared<const DeviceMemory>(std::move(memory)));
    }
    std::vector<float> values(static_cast<size_t>(tables->positions - first) * inv_freq.size() * 2);
    BuildRopeTable(inv_freq, t.scale(), tables->positions, values, first);
    std::byte* to = tables->on_device[i]->data() + static_cast<uint64_t>(first) * inv_freq.size() * 2 * sizeof(float);
    if (!values.empty()) HST_RETURN_IF_ERROR(UploadFloats(on_device_->device(), *queue, values, to, "a RoPE table"));
  }
  rope_ = std::move(tables);
  return rope_;
}

uint64_t Model::NewRopeBytes(int64_t reach) const {
  const std::lock_guard lock(rope_mutex_);
  if (rope_ && rope_->reach >= reach) return 0;
  uint64_t bytes = 0;
  if (program().rope_tables())
    for (const fb::RopeTable* t : *program().rope_tables()) bytes += static_cast<uint64_t>(reach) * t->inv_freq()->size() * 2 * sizeof(float);
  return bytes;
}

Result<const Tokenizer*> Model::tokenizer() const {
  const std::lock_guard lock(tokenizer_mutex_);
  if (tokenizer_) return static_cast<const Tokenizer*>(tokenizer_.get());
  const Section* section = file_->Find(SectionKind::kTokenizer);
  if (!section) return Unsupported(file_->path(), ": the artifact has no tokenizer; give token ids instead of text");
  auto opened = Tokenizer::Open({reinterpret_cast<const uint8_t*>(section->bytes.data()), section->bytes.size()});
  if (!opened.ok()) return std::move(opened).status().Annotate(StrCat(file_->path(), ": section \"", section->name, "\""));
  tokenizer_ = *std::move(opened);
  return static_cast<const Tokenizer*>(tokenizer_.get());
}

}  // namespace hasten
