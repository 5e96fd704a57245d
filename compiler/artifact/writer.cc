// The order of system calls is the point of this file: everything is written
// and flushed before the name changes, so that a reader, a crash or a kill at
// any moment sees the old target or the new one, whole.
#include "compiler/artifact/writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

namespace hasten {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
constexpr int kNameAttempts = 16;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status CheckTarget(const std::string& target) {
  struct stat st {};
  if (target.empty() || target.back() == '/') return UsageError("output \"", target, "\" is not a file name");
  if (stat(target.c_str(), &st) != 0) return {};  // absent; an unreachable folder shows when it is opened
  if (S_ISDIR(st.st_mode)) return UsageError("output ", target, " is a folder; name a file in it");
  if (!S_ISREG(st.st_mode)) return UsageError("output ", target, " is not a regular file");
  return {};
}

}  // namespace

ArtifactWriter::ArtifactWriter(std::string target, const std::atomic<bool>* cancel)
    : target_(std::move(target)), folder_(FolderOf(target_)), base_(target_.substr(target_.rfind('/') + 1)), cancel_(cancel) {
  buffer_.reserve(kBufferBytes);
}

ArtifactWriter::~ArtifactWriter() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<std::unique_ptr<ArtifactWriter>> ArtifactWriter::Create(const std::string& target, const std::atomic<bool>* cancel) {
  HST_RETURN_IF_ERROR(CheckTarget(target));
  std::unique_ptr<ArtifactWriter> w(new ArtifactWriter(target, cancel));
  HST_RETURN_IF_ERROR(w->OpenTemporary());
  const FileHeader placeholder{};
  HST_RETURN_IF_ERROR(w->Put(std::as_bytes(std::span(&placeholder, 1))));
  return w;
}

std::string ArtifactWriter::FreshName() const {
  std::random_device random;
  const uint64_t n = uint64_t{random()} << 32 | random();
  return StrCat(folder_, "/.", base_, ".", static_cast<uint64_t>(getpid()), "-", n, ".tmp");
}

Status ArtifactWriter::OpenTemporary() {
  // Unnamed files can be named later only through /proc.
  if (access("/proc/self/fd", X_OK) == 0) fd_ = open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  for (int i = 0; fd_ < 0 && i < kNameAttempts; ++i) {
    const std::string name = FreshName();
    fd_ = open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
    if (fd_ >= 0) temporary_ = name;
    else if (errno != EEXIST) break;
  }
  return fd_ >= 0 ? Status() : IoError("cannot create a file in its folder", errno);
}

Status ArtifactWriter::IoError(const char* what, int error) const {
  return ResourceError(target_, ": ", what, ": ", std::strerror(error));
}

Status ArtifactWriter::CheckCancel() const {
  if (cancel_ && cancel_->load(std::memory_order_relaxed))
    return Status(Code::kCancelled, StrCat(target_, ": interrupted, nothing was written"));
  return {};
}

Status ArtifactWriter::WriteAll(std::span<const std::byte> bytes, uint64_t at) {
  while (!bytes.empty()) {
    HST_RETURN_IF_ERROR(CheckCancel());
    // Pieces, so that a cancel is seen soon.
    const ssize_t n = pwrite(fd_, bytes.data(), std::min<size_t>(bytes.size(), 16 << 20), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return IoError("cannot write the artifact", errno);
    if (n == 0) return IoError("cannot write the artifact", ENOSPC);
    bytes = bytes.subspan(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return {};
}

Status ArtifactWriter::Flush() {
  HST_RETURN_IF_ERROR(WriteAll(buffer_, flushed_));
  flushed_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status ArtifactWriter::Put(std::span<const std::byte> bytes) {
  HST_RETURN_IF_ERROR(CheckCancel());
  if (buffer_.size() + bytes.size() > kBufferBytes) HST_RETURN_IF_ERROR(Flush());
  if (bytes.size() >= kBufferBytes) {
    HST_RETURN_IF_ERROR(WriteAll(bytes, flushed_));
    flushed_ += bytes.size();
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  position_ += bytes.size();
  return {};
}

Status ArtifactWriter::PutZeros(uint64_t count) {
  HST_CHECK(count <= kMaxAlignment);
  const std::vector<std::byte> zeros(count);
  return Put(zeros);
}

uint64_t ArtifactWriter::FileBytes(std::span<const SectionSize> sections) {
  uint64_t at = sizeof(FileHeader);
  for (const SectionSize& s : sections) at = (at + s.alignment - 1) / s.alignment * s.alignment + s.bytes;
  return (at + kMinAlignment - 1) / kMinAlignment * kMinAlignment + sections.size() * sizeof(SectionEntry);
}

Status ArtifactWriter::BeginSection(SectionKind kind, uint64_t alignment, bool optional) {
  HST_CHECK(!in_section_ && !finished_ && entries_.size() < kMaxSections);
  HST_CHECK(alignment >= kMinAlignment && alignment <= kMaxAlignment && (alignment & (alignment - 1)) == 0);
  HST_RETURN_IF_ERROR(PutZeros((alignment - position_ % alignment) % alignment));
  SectionEntry e{};
  const std::string_view name = SectionKindName(static_cast<uint32_t>(kind));
  HST_CHECK(!name.empty() && name.size() < sizeof e.name);
  std::copy(name.begin(), name.end(), e.name);
  e.kind = static_cast<uint32_t>(kind);
  e.flags = optional ? kSectionOptional : 0;
  e.offset = position_;
  e.alignment = alignment;
  entries_.push_back(e);
  digest_ = Sha256();
  section_bytes_ = 0;
  in_section_ = true;
  return {};
}

Status ArtifactWriter::Append(std::span<const std::byte> bytes) {
  HST_CHECK(in_section_);
  HST_RETURN_IF_ERROR(Put(bytes));
  digest_.Update(bytes);
  section_bytes_ += bytes.size();
  return {};
}

Status ArtifactWriter::Align(uint64_t alignment) {
  HST_CHECK(alignment > 0 && alignment <= kMaxAlignment);
  const std::vector<std::byte> zeros((alignment - section_bytes_ % alignment) % alignment);
  return Append(zeros);
}

Status ArtifactWriter::EndSection() {
  HST_CHECK(in_section_ && section_bytes_ > 0);
  SectionEntry& e = entries_.back();
  e.size = section_bytes_;
  const Sha256Digest d = digest_.Finish();
  std::copy(d.begin(), d.end(), e.digest);
  in_section_ = false;
  return {};
}

Status ArtifactWriter::AddSection(SectionKind kind, std::span<const std::byte> bytes, bool optional) {
  HST_RETURN_IF_ERROR(BeginSection(kind, kMinAlignment, optional));
  HST_RETURN_IF_ERROR(Append(bytes));
  return EndSection();
}

Status ArtifactWriter::Finish() {
  HST_CHECK(!in_section_ && !finished_ && !entries_.empty());
  HST_RETURN_IF_ERROR(PutZeros((kMinAlignment - position_ % kMinAlignment) % kMinAlignment));
  const auto table = std::as_bytes(std::span(entries_));
  FileHeader h{};
  std::copy(std::begin(kArtifactMagic), std::end(kArtifactMagic), h.magic);
  h.major = kFormatMajor;
  h.minor = minor_;
  h.table_offset = position_;
  h.file_bytes = position_ + table.size();
  h.sections = static_cast<uint32_t>(entries_.size());
  h.entry_bytes = sizeof(SectionEntry);
  Sha256 digest;
  digest.Update(&h, sizeof h);
  digest.Update(table);
  const Sha256Digest d = digest.Finish();
  std::copy(d.begin(), d.end(), h.digest);
  HST_RETURN_IF_ERROR(Put(table));
  HST_RETURN_IF_ERROR(Flush());
  HST_RETURN_IF_ERROR(WriteAll(std::as_bytes(std::span(&h, 1)), 0));
  if (fsync(fd_) != 0) return IoError("cannot flush the artifact to disk", errno);
  finished_ = true;
  return {};
}

std::string ArtifactWriter::pending_path() const {
  return temporary_.empty() ? StrCat("/proc/self/fd/", fd_) : temporary_;
}

Status ArtifactWriter::Commit() {
  if (!finished_) HST_RETURN_IF_ERROR(Finish());
  HST_RETURN_IF_ERROR(CheckCancel());
  for (int i = 0; temporary_.empty() && i < kNameAttempts; ++i) {
    const std::string name = FreshName();
    if (linkat(AT_FDCWD, pending_path().c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) temporary_ = name;
    else if (errno != EEXIST) return IoError("cannot name the finished artifact", errno);
  }
  if (temporary_.empty()) return IoError("cannot name the finished artifact", EEXIST);
  if (rename(temporary_.c_str(), target_.c_str()) != 0) return IoError("cannot rename the finished artifact", errno);
  temporary_.clear();
  const int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return IoError("cannot open its folder to flush it", errno);
  const int flushed = fsync(folder), error = errno;
  close(folder);
  // Some file systems cannot flush folders; the file itself is safe by now.
  if (flushed != 0 && error != EINVAL && error != EROFS) return IoError("cannot flush its folder", error);
  return {};
}

}  // namespace hasten
