#include "compiler/onnx/import.h"

#include <algorithm>
#include <filesystem>

#include "compiler/onnx/graph_importer.h"
#include "compiler/onnx/op_table.h"
#include "compiler/onnx/ops/converters.h"
#include "compiler/onnx/wire.h"

namespace hasten {
namespace {

namespace fs = std::filesystem;
using namespace onnx_import;

constexpr size_t kMaxProblemsShown = 50;

// The .onnx files directly in a folder, sorted.
std::vector<std::string> OnnxFiles(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".onnx") out.push_back(it->path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::string> FindModel(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return ResourceError(path, ": no such file or folder");
  if (!fs::is_directory(path, error)) return path;
  for (const std::string& folder : {path, path + "/onnx"}) {
    const std::vector<std::string> files = OnnxFiles(folder);
    if (std::find(files.begin(), files.end(), "model.onnx") != files.end()) return folder + "/model.onnx";
    if (files.size() == 1) return folder + "/" + files[0];
    if (files.empty()) continue;
    std::string list;
    for (const std::string& f : files) list += StrCat(list.empty() ? "" : ", ", f);
    return BadInput(folder, ": holds several models and none is model.onnx (", list, "); name one of them");
  }
  return BadInput(path, ": holds no .onnx file");
}

Status Problems(const std::string& path, const std::vector<std::string>& problems) {
  std::string text = StrCat(path, ": ", problems.size(), problems.size() == 1 ? " node" : " nodes", " cannot be imported:");
  for (size_t i = 0; i < std::min(problems.size(), kMaxProblemsShown); ++i) text += StrCat("\n  ", problems[i]);
  if (problems.size() > kMaxProblemsShown) text += StrCat("\n  and ", problems.size() - kMaxProblemsShown, " more");
  return Status(Code::kUnsupported, std::move(text));
}

std::string Folder(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == file.npos ? std::string() : file.substr(0, slash + (slash == 0));
}

Result<onnx::ModelProto> ParseModel(const MappedFile& file) {
  Result<std::string> skeleton = MakeSkeleton(file.bytes, MessageKind::kModel);
  if (!skeleton.ok()) return std::move(skeleton).status().Annotate("is no intact ONNX model");
  onnx::ModelProto model;
  if (!model.ParseFromString(*skeleton)) return BadInput("is no ONNX model (protobuf cannot parse it)");
  if (!model.has_graph()) return BadInput("is no ONNX model (it holds no graph)");
  if (model.training_info_size() > 0) return Unsupported("holds training graphs: export it for inference");
  return model;
}

}  // namespace

Result<ImportedModel> ImportModel(const std::string& path, const ImportOptions& options) {
  HST_ASSIGN_OR_RETURN(const std::string file_path, FindModel(path));
  HST_ASSIGN_OR_RETURN(MappedFile file, MapFile(file_path));
  HST_RETURN_IF_ERROR(RefuseLfsPointer(file));
  Result<onnx::ModelProto> parsed = ParseModel(file);
  if (!parsed.ok()) return std::move(parsed).status().Annotate(file_path);
  const onnx::ModelProto& proto = *parsed;

  PayloadSource source(file, Folder(file_path));
  GraphImporter importer(proto, source, options);
  Status status = importer.Run();
  if (!importer.problems().empty() && (status.ok() || status.code() == Code::kUnsupported)) {
    std::vector<std::string> all = importer.problems();
    if (!status.ok()) all.push_back(status.message());
    return Problems(file_path, all);
  }
  if (!status.ok()) return std::move(status).Annotate(file_path);

  ImportedModel model;
  model.graph = importer.TakeGraph();
  model.opsets = importer.opsets();
  model.producer = proto.producer_name() + (proto.producer_version().empty() ? "" : " " + proto.producer_version());
  for (const auto& entry : proto.metadata_props()) model.metadata[entry.key()] = entry.value();
  model.folder = Folder(file_path);
  model.files.push_back({fs::path(file_path).filename().string(), file.bytes, file.owner});
  for (const auto& [name, external] : source.externals()) model.files.push_back({name, external.bytes, external.owner});
  return model;
}

Sha256Digest DigestSource(const ImportedModel& model) {
  Sha256 sha;
  for (const SourceFile& f : model.files) sha.Update(f.bytes);
  return sha.Finish();
}

std::vector<OnnxOperator> OnnxOperators() {
  std::vector<OnnxOperator> out;
  for (const OpRow& row : OpRows()) {
    if (!FindRow(row.domain, row.name) || row.convert == RefuseQuantized) continue;
    const bool direct = row.convert == Direct;
    out.push_back({row.domain, row.name, row.since, !direct, direct ? SnakeName(row.name) : std::string()});
  }
  return out;
}

}  // namespace hasten
