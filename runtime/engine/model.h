// A model: an opened artifact with its kernels bound to this machine. Immutable
// and thread-safe; any number of contexts share one. Opening parses no weights:
// what it costs is the check of the program, and later page faults.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/isa.h"
#include "runtime/base/status.h"
#include "runtime/engine/device_fusion.h"
#include "runtime/engine/device_model.h"
#include "runtime/engine/huge_weights.h"
#include "runtime/engine/instruction.h"
#include "runtime/format/artifact.h"
#include "runtime/kernels/attention/contract.h"

namespace hasten {

class Tokenizer;

struct ModelOptions {
  std::optional<Isa> isa;       // absent: the best that the machine has
  bool verify_digests = false;  // read the whole file (ArtifactFile::VerifyDigests): first, or on a thread beside the upload to a device
  bool huge_pages = true;       // move weights that are read often to huge pages (HugeWeights)
  std::shared_ptr<Device> device;  // where the program runs; null: here
};

// Cosine and sine tables, by table index, for positions below `positions`. On a device the
// memory is for more of them, and tables that grew within it share it.
struct RopeTables {
  int64_t positions = 0, reach = 0;
  std::vector<std::vector<float>> values;
  std::vector<std::shared_ptr<const DeviceMemory>> on_device;
  std::vector<const float*> pointers;  // into one of the two
};

class Model {
 public:
  // Errors as ArtifactFile::Open; kUsage for an instruction set the machine lacks.
  static Result<std::shared_ptr<const Model>> Open(const std::string& path, const ModelOptions& options = {});
  ~Model();

  const ArtifactFile& file() const { return *file_; }
  const fb::Program& program() const { return file_->program(); }
  const fb::ModelInfo& info() const { return file_->model_info(); }
  Isa isa() const { return isa_; }
  const DeviceModel* on_device() const { return on_device_.get(); }   // null: the program runs here
  double verify_seconds() const { return verify_seconds_; }           // that comparing digests took; 0: they were not
  int64_t vocab() const { return program().vocab(); }      // token ids are below it
  bool causal() const { return program().causal(); }       // false: an encoder
  KvType kv_type() const { return static_cast<KvType>(program().kv_type()); }
  // Positions are below it: what the model was made for, or what its tables hold.
  int64_t max_positions() const { return max_positions_; }
  std::span<const AttentionShape> layers() const { return layers_; }
  std::span<const std::unique_ptr<Instruction>> instructions() const { return instructions_; }
  // On a device: what a step launches.
  std::span<const Instruction* const> device_launches() const { return device_launches_.order; }
  // The next weight matrix that is read after instruction i; empty at the end.
  std::span<const std::byte> WeightsAfter(size_t i) const { return weights_after_[i]; }

  // RoPE tables for at least `positions` positions (up to max_positions), built
  // when first asked for and shared. On a device memory for `reach` positions is allocated
  // at once. Thread-safe; throws std::bad_alloc; kResource on a device.
  Result<std::shared_ptr<const RopeTables>> Rope(int64_t positions, int64_t reach = 0) const;
  // Bytes of a device's memory that tables of this reach would add to those that there are.
  uint64_t NewRopeBytes(int64_t reach) const;

  // A step of the program has run, and read the weights. Thread-safe.
  void CountStep() const {
    if (huge_weights_) huge_weights_->CountRead();
  }

  // The artifact's tokenizer, opened when first asked for. kUnsupported when the
  // artifact has none. Thread-safe; lives as long as the model.
  Result<const Tokenizer*> tokenizer() const;

 private:
  Model() = default;
  Status Bind(const ModelOptions& options);
  Status Verify(const std::atomic<bool>* cancel);
  Status BindAndVerify(const ModelOptions& options);
  int64_t GrownPositions(int64_t positions) const;
  Result<std::shared_ptr<const RopeTables>> RopeOnDevice(int64_t positions, int64_t reach) const;

  std::shared_ptr<const ArtifactFile> file_;
  std::unique_ptr<HugeWeights> huge_weights_;   // within file_; null: the weights stay where they are
  Isa isa_ = Isa::kScalar;
  int64_t max_positions_ = 0;
  double verify_seconds_ = 0;
  std::vector<AttentionShape> layers_;
  std::unique_ptr<DeviceModel> on_device_;
  std::vector<std::unique_ptr<Instruction>> instructions_;
  DeviceLaunches device_launches_;
  std::vector<std::span<const std::byte>> weights_after_;   // by instruction

  mutable std::mutex rope_mutex_;
  mutable std::shared_ptr<const RopeTables> rope_;
  mutable std::mutex tokenizer_mutex_;
  mutable std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace hasten
