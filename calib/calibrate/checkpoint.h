// What a calibration has finished, kept beside its output while it runs, so that one
// that was killed goes on where it was. A log: a record of codes for each tensor,
// with its digest, so that what a kill left half written is cut off. A log of other
// inputs (its key) is started anew.
#pragma once

#include <memory>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"
#include "runtime/base/sha256.h"
#include "runtime/base/status.h"

namespace hasten::calib {

class Checkpoint {
 public:
  // Opens or makes `path`, locked against other processes, and reads what it has under
  // this key, a digest of all that the codes depend on. `fractions`: whether the codes come
  // with them; `memory`: for what of them is as large as the weights. kResource when it
  // cannot be written or is in use.
  static Result<std::unique_ptr<Checkpoint>> Open(const std::string& path, const Sha256Digest& key, const plan::ProgramPlan& plan, bool fractions,
                                                  std::pmr::memory_resource* memory = std::pmr::get_default_resource());
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  // For each of the plan's tensors the codes that were found, or none, in that memory.
  // Once: they are large.
  std::vector<passes::OwnedCodes> TakeFound() { return std::move(found_); }
  // The codes of a tensor, on disk when it returns.
  Status Append(size_t tensor, const passes::OwnedCodes& codes);
  // The work is done: the file goes.
  void Remove();

 private:
  Checkpoint(std::string path, int file) : path_(std::move(path)), file_(file) {}
  Status Write(std::span<const std::byte> bytes);
  Status Restart(const Sha256Digest& key);

  std::string path_;
  int file_ = -1;
  std::vector<passes::OwnedCodes> found_;
};

}  // namespace hasten::calib
