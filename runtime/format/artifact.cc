// Opening and checking an artifact. Order matters: nothing is read before its
// bounds are known, and nothing is believed before its digest.
#include "runtime/format/artifact.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "runtime/base/checked.h"
#include "runtime/base/sha256.h"
#include "runtime/format/foreign.h"
#include "runtime/format/model_info_generated.h"
#include "runtime/format/program_check.h"
#include "runtime/format/program_generated.h"

namespace hasten {
namespace {

Status CheckRegularFile(mode_t mode) {
  if (S_ISREG(mode)) return {};
  if (S_ISDIR(mode)) return BadInput("it is a folder; an artifact is one .hst file");
  if (S_ISFIFO(mode)) return BadInput("it is a pipe; an artifact must be a regular file, because it is memory-mapped");
  if (S_ISCHR(mode) || S_ISBLK(mode)) return BadInput("it is a device; an artifact must be a regular file");
  return BadInput("it is not a regular file");
}

Sha256Digest TableDigest(const FileHeader& header, std::span<const std::byte> table) {
  FileHeader clean = header;
  std::memset(clean.digest, 0, sizeof clean.digest);
  Sha256 h;
  h.Update(&clean, sizeof clean);
  h.Update(table);
  return h.Finish();
}

Result<std::string> SectionName(const SectionEntry& entry, uint32_t index) {
  const char* end = std::find(entry.name, entry.name + sizeof entry.name, '\0');
  const std::string name(entry.name, end);
  const bool padded = std::all_of(end, entry.name + sizeof entry.name, [](char c) { return c == '\0'; });
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  });
  if (name.empty() || name.size() == sizeof entry.name || !padded || !plain)
    return BadInput("section table, entry ", index, ": the name is not 1 to 31 characters of a-z 0-9 _ . -");
  return name;
}

Status DigestError(const Section& s) {
  return BadInput("section \"", s.name, "\" (bytes ", s.offset, " to ", s.offset + s.bytes.size(),
                  "): its SHA-256 digest differs from the table's; the file is damaged, fetch or compile it again");
}

// Section bytes as a verified FlatBuffer of type T.
template <class T>
Result<const T*> ReadFlatBuffer(const Section& s, bool (*verify)(flatbuffers::Verifier&)) {
  // Depth and table count bound the verifier's work; programs are flat (depth 4).
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(s.bytes.data()), s.bytes.size(), 16, 4'000'000);
  if (s.bytes.size() < 8 || s.bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE || !verify(verifier))
    return BadInput("section \"", s.name, "\" at byte ", s.offset, ": its structure is damaged (FlatBuffers verifier)");
  return flatbuffers::GetRoot<T>(s.bytes.data());
}

}  // namespace

ArtifactFile::~ArtifactFile() {
  if (base_) munmap(const_cast<std::byte*>(base_), size_);
}

Result<std::shared_ptr<const ArtifactFile>> ArtifactFile::Open(const std::string& path) {
  const auto fail = [&](Status s) { return std::move(s).Annotate(path); };
  // O_NONBLOCK: a FIFO without a writer must be refused, not waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int e = errno;
    return fail(ResourceError("cannot open the artifact: ", std::strerror(e)));
  }
  std::shared_ptr<ArtifactFile> file(new ArtifactFile);
  file->path_ = path;
  struct stat st {};
  Status status;
  if (fstat(fd, &st) != 0) {
    status = ResourceError("cannot stat the artifact: ", std::strerror(errno));
  } else if (status = CheckRegularFile(st.st_mode); status.ok()) {
    if (st.st_size == 0) {
      status = BadInput("the file is empty");
    } else if (void* p = mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_PRIVATE, fd, 0); p == MAP_FAILED) {
      status = ResourceError("cannot map ", static_cast<uint64_t>(st.st_size), " bytes: ", std::strerror(errno));
    } else {
      file->base_ = static_cast<const std::byte*>(p);
      file->size_ = static_cast<uint64_t>(st.st_size);
    }
  }
  close(fd);
  if (status.ok()) status = file->CheckHeader();
  if (status.ok()) status = file->ReadTable();
  if (status.ok()) status = file->ReadMetadata();
  if (!status.ok()) return fail(std::move(status));
  return std::shared_ptr<const ArtifactFile>(std::move(file));
}

Status ArtifactFile::CheckHeader() {
  const std::span<const std::byte> head(base_, std::min<uint64_t>(size_, 64));
  const size_t magic = std::min<uint64_t>(size_, sizeof kArtifactMagic);
  if (std::memcmp(base_, kArtifactMagic, magic) != 0)
    return BadInput("not a hasten artifact: ", DescribeForeignFile(head));
  if (size_ < sizeof(FileHeader))
    return BadInput("header: the file has ", size_, " bytes, its header needs ", sizeof(FileHeader), "; it is truncated");
  const FileHeader& h = header();
  if (h.major > kFormatMajor || (h.major == kFormatMajor && h.minor > kFormatMinor))
    return Unsupported("header: the artifact has format version ", h.major, ".", h.minor, ", this hasten reads up to ",
                       kFormatMajor, ".", kFormatMinor, "; use a newer hasten or compile the model again");
  if (h.major < kFormatMajor)
    return Unsupported("header: format version ", h.major, ".", h.minor, " is no longer read; compile the model again");
  if (h.file_bytes != size_)
    return BadInput("header: the artifact was written with ", h.file_bytes, " bytes, the file has ", size_,
                    h.file_bytes > size_ ? "; it is truncated" : "; something was appended to it");
  if (h.sections == 0 || h.sections > kMaxSections)
    return BadInput("header: ", h.sections, " sections; 1 to ", kMaxSections, " are allowed");
  if (h.entry_bytes != sizeof(SectionEntry))
    return BadInput("header: table entries of ", h.entry_bytes, " bytes, needed ", sizeof(SectionEntry));
  const Checked end = Checked(h.table_offset) + Checked(h.sections) * sizeof(SectionEntry);
  if (h.table_offset < sizeof(FileHeader) || h.table_offset % kMinAlignment != 0 || !end.ok() || end.value() != size_)
    return BadInput("header: a section table of ", h.sections, " entries at byte ", h.table_offset,
                    " does not end with the file (", size_, " bytes)");
  if (!std::all_of(std::begin(h.reserved), std::end(h.reserved), [](uint8_t b) { return b == 0; }))
    return BadInput("header: reserved bytes are not zero");
  const Sha256Digest digest = TableDigest(h, {base_ + h.table_offset, size_ - h.table_offset});
  if (!std::equal(digest.begin(), digest.end(), h.digest))
    return BadInput("header: the digest of header and section table differs; the file is damaged");
  return {};
}

Status ArtifactFile::ReadTable() {
  const FileHeader& h = header();
  uint64_t end = sizeof(FileHeader);
  for (uint32_t i = 0; i < h.sections; ++i) {
    SectionEntry entry;
    std::memcpy(&entry, base_ + h.table_offset + i * sizeof entry, sizeof entry);
    HST_RETURN_IF_ERROR(CheckSection(entry, i, end));
    end = entry.offset + entry.size;
  }
  if (h.table_offset - end >= kMinAlignment)
    return BadInput("section table: ", h.table_offset - end, " unused bytes at byte ", end, " before the table");
  return {};
}

Status ArtifactFile::CheckSection(const SectionEntry& e, uint32_t index, uint64_t previous_end) {
  HST_ASSIGN_OR_RETURN(const std::string name, SectionName(e, index));
  const std::string where = StrCat("section \"", name, "\" (table entry ", index, ")");
  if (e.alignment < kMinAlignment || e.alignment > kMaxAlignment || !std::has_single_bit(e.alignment))
    return BadInput(where, ": alignment ", e.alignment, "; a power of two from ", kMinAlignment, " to ", kMaxAlignment,
                    " is needed");
  if (e.offset % e.alignment != 0)
    return BadInput(where, ": offset ", e.offset, " is no multiple of its alignment ", e.alignment);
  if (e.size == 0) return BadInput(where, ": it is empty");
  if (e.offset < previous_end)
    return BadInput(where, ": it starts at byte ", e.offset, ", before the previous section ends (", previous_end, ")");
  if (e.offset - previous_end >= e.alignment)
    return BadInput(where, ": ", e.offset - previous_end, " unused bytes before it");
  if (!(Checked(e.offset) + e.size).AtMost(header().table_offset))
    return BadInput(where, ": ", e.size, " bytes at byte ", e.offset, " reach past the section table (byte ",
                    header().table_offset, ")");
  if (e.flags & ~kSectionOptional) return Unsupported(where, ": flags ", e.flags, " are not known to this hasten");
  const bool optional = e.flags & kSectionOptional;
  if (!optional && (SectionKindName(e.kind).empty() || IsReservedSection(e.kind)))
    return Unsupported(where, ": sections of kind ", e.kind, SectionKindName(e.kind).empty() ? "" : " (",
                       SectionKindName(e.kind), SectionKindName(e.kind).empty() ? "" : ")",
                       " are not executed by this hasten");
  for (const Section& s : sections_)
    if (s.name == name || (s.kind == e.kind && !optional)) return BadInput(where, ": a section \"", s.name, "\" of its name or kind exists already");
  Section s{name, e.kind, e.flags, e.offset, e.alignment, {}, {base_ + e.offset, e.size}};
  std::copy(std::begin(e.digest), std::end(e.digest), s.digest.begin());
  sections_.push_back(std::move(s));
  return {};
}

Status ArtifactFile::ReadMetadata() {
  for (SectionKind kind : {SectionKind::kProgram, SectionKind::kWeights, SectionKind::kModelInfo})
    if (!Find(kind)) return BadInput("section table: there is no ", SectionKindName(static_cast<uint32_t>(kind)), " section");
  const Section &program = *Find(SectionKind::kProgram), &info = *Find(SectionKind::kModelInfo);
  weights_ = Find(SectionKind::kWeights)->bytes;
  for (const Section* s : {&program, &info})
    if (Sha256Of(s->bytes) != s->digest) return DigestError(*s);
  HST_ASSIGN_OR_RETURN(program_, ReadFlatBuffer<fb::Program>(program, [](flatbuffers::Verifier& v) { return fb::VerifyProgramBuffer(v); }));
  HST_ASSIGN_OR_RETURN(model_info_, ReadFlatBuffer<fb::ModelInfo>(info, [](flatbuffers::Verifier& v) { return fb::VerifyModelInfoBuffer(v); }));
  HST_RETURN_IF_ERROR(CheckModelInfo(*model_info_));
  HST_RETURN_IF_ERROR(CheckProgram(*program_, weights_.size()));
  // An older reader would take such a file and not see what it does not know.
  if (const uint32_t needed = NeededMinor(*program_); needed > header().minor)
    return BadInput("header: format version ", header().major, ".", header().minor, ", but the program uses what came with ",
                    kFormatMajor, ".", needed);
  return {};
}

const Section* ArtifactFile::Find(SectionKind kind) const {
  for (const Section& s : sections_)
    if (s.kind == static_cast<uint32_t>(kind)) return &s;
  return nullptr;
}

Status ArtifactFile::VerifyDigests(const std::atomic<bool>* cancel) const {
  const auto cancelled = [&] { return cancel && cancel->load(std::memory_order_relaxed); };
  uint64_t at = sizeof(FileHeader);
  const auto check_padding = [&](uint64_t end) -> Status {
    for (; at < end; ++at)
      if (base_[at] != std::byte{0}) return BadInput(path_, ": padding at byte ", at, " is not zero; the file is damaged");
    return {};
  };
  for (const Section& s : sections_) {
    HST_RETURN_IF_ERROR(check_padding(s.offset));
    Sha256 h;
    constexpr size_t kPiece = 8 << 20;  // how often a cancel is looked at
    for (size_t done = 0; done < s.bytes.size(); done += kPiece) {
      if (cancelled()) return Status(Code::kCancelled, StrCat(path_, ": verification was interrupted"));
      h.Update(s.bytes.subspan(done, std::min(kPiece, s.bytes.size() - done)));
    }
    if (h.Finish() != s.digest) return DigestError(s).Annotate(path_);
    at = s.offset + s.bytes.size();
  }
  return check_padding(header().table_offset);
}

}  // namespace hasten
