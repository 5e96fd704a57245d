#include "calib/calibrate/checkpoint.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "runtime/quant/layout.h"

namespace hasten::calib {
namespace {

constexpr char kMagic[16] = "hasten calib 2\n";   // with the layout's version

Status IoError(const std::string& path, const char* what) {
  return ResourceError(path, ": ", what, ": ", std::strerror(errno));
}

template <class Vector>
std::span<const std::byte> Bytes(const Vector& v) {
  return std::as_bytes(std::span(v));
}

Sha256Digest DigestOf(uint64_t tensor, const passes::OwnedCodes& c) {
  Sha256 sha;
  sha.Update(&tensor, sizeof tensor);
  sha.Update(Bytes(c.codes));
  sha.Update(Bytes(c.scale));
  sha.Update(Bytes(c.zero));
  sha.Update(Bytes(c.fraction));
  sha.Update(&c.error, sizeof c.error);
  return sha.Finish();
}

bool ReadAll(int file, void* to, size_t size) {
  char* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = read(file, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got, size -= static_cast<size_t>(got);
  }
  return true;
}

// The next record, or false where the log ends or is damaged. Sizes are the plan's.
bool ReadRecord(int file, const plan::ProgramPlan& plan, bool fractions, std::vector<passes::OwnedCodes>* codes) {
  uint64_t tensor = 0;
  if (!ReadAll(file, &tensor, sizeof tensor) || tensor >= plan.tensors.size()) return false;
  const plan::TensorPlan& t = plan.tensors[tensor];
  const SchemeInfo& info = GetScheme(t.scheme);
  if (!info.integer) return false;
  passes::OwnedCodes c;
  c.codes.resize(static_cast<size_t>(t.n * t.k));
  c.scale.resize(static_cast<size_t>(t.n * LayoutOf(t.scheme, t.n, t.k).groups));
  c.zero.resize(info.zero_point ? c.scale.size() : 0);
  c.fraction.resize(fractions ? c.codes.size() : 0);
  Sha256Digest digest;
  if (!ReadAll(file, c.codes.data(), c.codes.size()) || !ReadAll(file, c.scale.data(), c.scale.size() * sizeof(float)) ||
      !ReadAll(file, c.zero.data(), c.zero.size()) || !ReadAll(file, c.fraction.data(), c.fraction.size() * sizeof(int16_t)) ||
      !ReadAll(file, &c.error, sizeof c.error) || !ReadAll(file, digest.data(), digest.size()) || digest != DigestOf(tensor, c))
    return false;
  (*codes)[tensor] = std::move(c);
  return true;
}

}  // namespace

Result<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& path, const Sha256Digest& key, const plan::ProgramPlan& plan, bool fractions,
                                                     std::pmr::memory_resource* memory) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file < 0) return IoError(path, "cannot open the calibration's checkpoint");
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint(path, file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0)
    return ResourceError(path, ": another compilation to the same output is running");
  checkpoint->found_.reserve(plan.tensors.size());   // assigned to, a vector keeps its memory
  for (size_t i = 0; i < plan.tensors.size(); ++i)
    checkpoint->found_.push_back({.codes = std::pmr::vector<int8_t>(memory), .fraction = std::pmr::vector<int16_t>(memory)});
  char magic[sizeof kMagic];
  Sha256Digest found;
  if (!ReadAll(file, magic, sizeof magic) || std::memcmp(magic, kMagic, sizeof magic) != 0 ||
      !ReadAll(file, found.data(), found.size()) || found != key) {
    HST_RETURN_IF_ERROR(checkpoint->Restart(key));
    return checkpoint;
  }
  off_t whole = lseek(file, 0, SEEK_CUR);
  while (ReadRecord(file, plan, fractions, &checkpoint->found_)) whole = lseek(file, 0, SEEK_CUR);
  if (ftruncate(file, whole) != 0 || lseek(file, whole, SEEK_SET) != whole) return IoError(path, "cannot cut off a damaged record");
  return checkpoint;
}

Checkpoint::~Checkpoint() { close(file_); }

Status Checkpoint::Restart(const Sha256Digest& key) {
  if (ftruncate(file_, 0) != 0 || lseek(file_, 0, SEEK_SET) != 0) return IoError(path_, "cannot start it anew");
  HST_RETURN_IF_ERROR(Write(std::as_bytes(std::span(kMagic))));
  return Write(std::as_bytes(std::span(key)));
}

Status Checkpoint::Append(size_t tensor, const passes::OwnedCodes& codes) {
  const uint64_t index = tensor;
  const Sha256Digest digest = DigestOf(index, codes);
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(&index, 1)), Bytes(codes.codes), Bytes(codes.scale),
                                              Bytes(codes.zero), Bytes(codes.fraction), std::as_bytes(std::span(&codes.error, 1)), std::as_bytes(std::span(digest))};
  for (const std::span<const std::byte> part : parts) HST_RETURN_IF_ERROR(Write(part));
  if (fdatasync(file_) != 0) return IoError(path_, "cannot flush it");
  return {};
}

Status Checkpoint::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(file_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return IoError(path_, "cannot write the calibration's checkpoint");
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return {};
}

void Checkpoint::Remove() { unlink(path_.c_str()); }

}  // namespace hasten::calib
