// The bytes of an artifact (.hst), shared by the writer and the reader: a fixed
// header, sections, then the section table at the very end. Little endian. The
// header's digest covers the header (that field as zeros) and the table, the
// table's digests cover the sections, and padding is zero and shorter than the
// alignment it serves: no byte of the file is outside some check.
#pragma once

#include <cstdint>
#include <string_view>

namespace hasten {

inline constexpr unsigned char kArtifactMagic[8] = {0x89, 'H', 'S', 'T', '\r', '\n', 0x1a, '\n'};
inline constexpr uint32_t kFormatMajor = 1;
// The newest minor version. A file states the least one that knows all it uses
// (program_check.h, NeededMinor), so that an older reader refuses what it would
// misread and still opens everything else.
inline constexpr uint32_t kFormatMinor = 3;
inline constexpr uint32_t kMinorAlibi = 1;   // Layer.ahead, Layer.slopes
inline constexpr uint32_t kMinorInt5 = 2;    // the schemes int5:G and int6:G
inline constexpr uint32_t kMinorResidual = 3;   // Buffer.residual
// Version of docs/numerics.md that the kernels implement; a program made for
// another one would give other bits and is refused.
inline constexpr uint32_t kNumericsProfile = 2;

inline constexpr uint32_t kMaxSections = 64;
inline constexpr uint64_t kMinAlignment = 64, kMaxAlignment = 65536;
inline constexpr uint64_t kPageAlignment = 4096;  // of the weights section

// Numbers are written into artifacts: append, never reorder.
enum class SectionKind : uint32_t {
  kProgram = 1, kWeights = 2, kTokenizer = 3, kModelInfo = 4, kLicence = 5,
  kChatTemplate = 6,
  // Reserved from the start; version 1 refuses them by name.
  kDraftHead = 32, kAdapter = 33, kExperts = 34, kShards = 35,
};

inline constexpr uint32_t kSectionOptional = 1;  // flag: a reader that does not know the kind may skip it

struct FileHeader {
  unsigned char magic[8];
  uint32_t major, minor;
  uint64_t file_bytes;
  uint64_t table_offset;  // a multiple of 64; the table ends the file
  uint32_t sections;
  uint32_t entry_bytes;   // sizeof(SectionEntry)
  uint8_t digest[32];
  uint8_t reserved[56];   // zero
};
static_assert(sizeof(FileHeader) == 128);

struct SectionEntry {
  char name[32];          // [a-z0-9_.-], padded with NUL, at least one of them
  uint32_t kind, flags;
  uint64_t offset, size;  // size > 0
  uint64_t alignment;     // a power of two in [kMinAlignment, kMaxAlignment]
  uint8_t digest[32];     // SHA-256 of the section's bytes
};
static_assert(sizeof(SectionEntry) == 96);

// What a kind is called in tables and messages; "" when it is not known.
constexpr std::string_view SectionKindName(uint32_t kind) {
  switch (static_cast<SectionKind>(kind)) {
    case SectionKind::kProgram: return "program";
    case SectionKind::kWeights: return "weights";
    case SectionKind::kTokenizer: return "tokenizer";
    case SectionKind::kModelInfo: return "model_info";
    case SectionKind::kLicence: return "licence";
    case SectionKind::kChatTemplate: return "chat_template";
    case SectionKind::kDraftHead: return "draft_head";
    case SectionKind::kAdapter: return "adapter";
    case SectionKind::kExperts: return "experts";
    case SectionKind::kShards: return "shards";
  }
  return "";
}
constexpr bool IsReservedSection(uint32_t kind) { return kind >= 32 && !SectionKindName(kind).empty(); }

}  // namespace hasten
