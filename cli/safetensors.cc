#include "cli/safetensors.h"

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/checked.h"

namespace hasten::cli {

static_assert(std::endian::native == std::endian::little);  // safetensors' byte order

Result<std::unique_ptr<MatrixWriter>> MatrixWriter::Create(const std::string& path, const std::string& name, int64_t rows,
                                                           int64_t cols) {
  const Checked values = Checked::FromSigned(rows) * Checked::FromSigned(cols);
  const Checked bytes = values * 4;
  if (!bytes.ok()) return Internal("a matrix of ", rows, " x ", cols);
  std::unique_ptr<MatrixWriter> writer(new MatrixWriter());
  writer->path_ = path;
  writer->temporary_ = StrCat(path, ".partial-", static_cast<int64_t>(getpid()));
  writer->remaining_ = values.value();
  writer->fd_ = open(writer->temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (writer->fd_ < 0) {
    const Status error = writer->Error("cannot create");
    writer->temporary_.clear();  // not ours to remove
    return error;
  }
  std::string header = StrCat("{\"", name, "\":{\"dtype\":\"F32\",\"shape\":[", rows, ",", cols,
                              "],\"data_offsets\":[0,", bytes.value(), "]}}");
  header.append((8 - header.size() % 8) % 8, ' ');
  const uint64_t length = header.size();
  HST_RETURN_IF_ERROR(writer->Put(&length, sizeof length));
  HST_RETURN_IF_ERROR(writer->Put(header.data(), header.size()));
  return writer;
}

MatrixWriter::~MatrixWriter() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status MatrixWriter::Error(const char* what) const { return ResourceError(what, " ", path_, ": ", std::strerror(errno)); }

Status MatrixWriter::Put(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t wrote = write(fd_, at, bytes);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Error("cannot write");
    at += wrote;
    bytes -= static_cast<size_t>(wrote);
  }
  return {};
}

Status MatrixWriter::Append(std::span<const float> values) {
  HST_CHECK(values.size() <= remaining_);
  remaining_ -= values.size();
  return Put(values.data(), values.size_bytes());
}

Status MatrixWriter::Commit() {
  HST_CHECK(remaining_ == 0);
  if (fsync(fd_) != 0 && errno != EINVAL) return Error("cannot flush");  // EINVAL: a file system without it
  const int closed = close(fd_);
  fd_ = -1;
  if (closed != 0) return Error("cannot close");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return Error("cannot rename a finished file to");
  temporary_.clear();
  return {};
}

}  // namespace hasten::cli
