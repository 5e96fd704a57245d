#include "compiler/artifact/card.h"

#include <cstring>
#include <filesystem>
#include <vector>

#include "runtime/format/model_info_generated.h"

namespace hasten {
namespace {

constexpr size_t kPiece = size_t{1} << 22;   // bytes between looks at `cancel`

// Unpacked and packed again: fields that later versions of this code know stay too.
std::vector<std::byte> ModelInfoWith(const fb::ModelInfo& info, std::string_view card) {
  const std::unique_ptr<fb::ModelInfoT> fields(info.UnPack());
  fields->card = card;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::ModelInfo::Pack(builder, fields.get()));
  std::vector<std::byte> bytes(builder.GetSize());
  std::memcpy(bytes.data(), builder.GetBufferPointer(), bytes.size());
  return bytes;
}

Status CopySection(const Section& s, std::span<const std::byte> bytes, ArtifactWriter& writer) {
  if (SectionKindName(s.kind) != s.name) return Unsupported("section \"", s.name, "\": this version of hasten cannot write it");
  HST_RETURN_IF_ERROR(writer.BeginSection(static_cast<SectionKind>(s.kind), s.alignment, s.flags & kSectionOptional));
  for (size_t at = 0; at < bytes.size(); at += kPiece) HST_RETURN_IF_ERROR(writer.Append(bytes.subspan(at, std::min(kPiece, bytes.size() - at))));
  return writer.EndSection();
}

}  // namespace

Result<std::unique_ptr<ArtifactWriter>> CopyWithCard(const ArtifactFile& file, std::string_view card, const std::string& target,
                                                     const std::atomic<bool>* cancel) {
  std::error_code error;
  if (std::filesystem::equivalent(file.path(), target, error)) return UsageError("the card goes into a copy of ", file.path(), "; name another file");
  HST_ASSIGN_OR_RETURN(std::unique_ptr<ArtifactWriter> writer, ArtifactWriter::Create(target, cancel));
  writer->RequireMinor(file.header().minor);
  const std::vector<std::byte> info = ModelInfoWith(file.model_info(), card);
  for (const Section& s : file.sections()) {
    const bool changed = s.kind == static_cast<uint32_t>(SectionKind::kModelInfo);
    HST_RETURN_IF_ERROR(CopySection(s, changed ? std::span<const std::byte>(info) : s.bytes, *writer).Annotate(file.path()));
  }
  HST_RETURN_IF_ERROR(writer->Finish());
  return writer;
}

}  // namespace hasten
