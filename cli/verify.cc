// hasten verify: that a .hst file is whole and can be run here.
#include <memory>
#include <string>

#include "calib/abi/artifact.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "runtime/format/artifact.h"

namespace hasten::cli {

Action AddVerify(CLI::App& app) {
  const auto path = std::make_shared<std::string>();
  app.add_option("artifact", *path, "The artifact")->required()->type_name("out.hst");
  app.footer("\nReads every byte: header, table, bounds, the program, the digest of every section, padding; then opens\n"
             "the model and its tokenizer as a host program would.");
  return [path](const Context& context) -> Result<int> {
    HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> file, ArtifactFile::Open(*path));
    HST_RETURN_IF_ERROR(file->VerifyDigests(context.interrupted));
    HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Artifact> artifact, calib::Artifact::Open(*path));
    if (artifact->info().has_tokenizer) HST_RETURN_IF_ERROR(artifact->Encode("hasten", true).status());
    HST_RETURN_IF_ERROR(WriteOut(StrCat(*path, ": ok, ", file->sections().size(), " sections, ", HumanBytes(file->file_bytes()), "\n")));
    return 0;
  };
}

}  // namespace hasten::cli
