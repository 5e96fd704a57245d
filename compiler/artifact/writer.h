// Writes an artifact (.hst): sections streamed in order, then the table, then
// the header; the target's name appears only when the file is whole and on
// disk. Same sections, same bytes: no time, path or host enters the file. Not a
// planner: what goes into the sections is compiler/plan's.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/sha256.h"
#include "runtime/base/status.h"
#include "runtime/format/layout.h"

namespace hasten {

struct SectionSize {
  uint64_t bytes = 0, alignment = kMinAlignment;
};

class ArtifactWriter {
 public:
  // Of a file with these sections, in this order.
  static uint64_t FileBytes(std::span<const SectionSize> sections);

  // Opens an unnamed file in the target's folder (a hidden, uniquely named one
  // where the file system has no unnamed files). `cancel`, when given, outlives
  // the writer; once it is true every call returns kCancelled. kUsage when the
  // target is a folder or a device, kResource when the folder cannot be written.
  static Result<std::unique_ptr<ArtifactWriter>> Create(const std::string& target, const std::atomic<bool>* cancel = nullptr);
  // Without a successful Commit nothing is left behind.
  ~ArtifactWriter();
  ArtifactWriter(const ArtifactWriter&) = delete;
  ArtifactWriter& operator=(const ArtifactWriter&) = delete;

  // The header will ask for readers of at least this minor version (layout.h).
  void RequireMinor(uint32_t minor) { minor_ = std::max(minor_, minor); }

  // A whole section. `optional`: readers that do not know the kind may skip it.
  Status AddSection(SectionKind kind, std::span<const std::byte> bytes, bool optional = false);

  // A section in pieces, for weights: Begin, any number of Append and Align, End.
  // A section must not be empty.
  Status BeginSection(SectionKind kind, uint64_t alignment = kMinAlignment, bool optional = false);
  Status Append(std::span<const std::byte> bytes);
  Status Align(uint64_t alignment);      // zeros up to a multiple within the section
  uint64_t section_bytes() const { return section_bytes_; }  // so far
  Status EndSection();

  // Writes table and header and flushes them to disk. After it the file can be
  // opened under pending_path() and checked; it is not yet visible.
  Status Finish();
  std::string pending_path() const;
  // Renames the finished file over the target and flushes the folder. Calls
  // Finish when that has not been done.
  Status Commit();

 private:
  ArtifactWriter(std::string target, const std::atomic<bool>* cancel);
  Status OpenTemporary();
  Status CheckCancel() const;
  Status Put(std::span<const std::byte> bytes);   // buffered, advances position_
  Status PutZeros(uint64_t count);
  Status Flush();
  Status WriteAll(std::span<const std::byte> bytes, uint64_t at);
  Status IoError(const char* what, int error) const;
  std::string FreshName() const;

  std::string target_, folder_, base_;
  const std::atomic<bool>* cancel_;
  int fd_ = -1;
  std::string temporary_;      // name to unlink; empty while the file is unnamed
  std::vector<std::byte> buffer_;
  uint64_t flushed_ = 0, position_ = 0;
  std::vector<SectionEntry> entries_;
  Sha256 digest_;
  uint64_t section_bytes_ = 0;
  uint32_t minor_ = 0;
  bool in_section_ = false, finished_ = false;
};

}  // namespace hasten
