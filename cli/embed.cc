// hasten embed: vectors of texts from an encoder.
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "calib/abi/artifact.h"
#include "calib/data/text_file.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

struct EmbedCommand {
  std::string artifact, text_file, pooling = "mean", isa;
  DeviceOptions device;
  std::vector<std::string> texts;
  int threads = 0;
  bool json = false;
};

using Vector = std::vector<float>;

// One vector of the rows [tokens][cols]; the mean's sums are in double.
Vector Pool(const calib::RowBlock& rows, const std::string& pooling) {
  if (rows.rows == 1 || pooling == "cls") return Vector(rows.At(0).begin(), rows.At(0).end());
  if (pooling == "last") return Vector(rows.At(rows.rows - 1).begin(), rows.At(rows.rows - 1).end());
  std::vector<double> sum(static_cast<size_t>(rows.cols));
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += rows.At(r)[i];
  }
  Vector mean;
  for (const double s : sum) mean.push_back(static_cast<float>(s / static_cast<double>(rows.rows)));
  return mean;
}

Result<std::vector<std::string>> Texts(const EmbedCommand& c) {
  if (c.texts.empty() == c.text_file.empty()) return UsageError("give --text (once or more) or --text-file\nsee: hasten embed --help");
  if (!c.texts.empty()) return c.texts;
  HST_ASSIGN_OR_RETURN(const std::string all, calib::ReadFile(c.text_file));
  std::vector<std::string> lines;
  for (size_t at = 0; at < all.size();) {
    size_t end = all.find('\n', at);
    if (end == std::string::npos) end = all.size();
    std::string line = all.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
    at = end + 1;
  }
  if (lines.empty()) return BadInput(c.text_file, ": no lines");
  return lines;
}

Status PrintLine(const Vector& vector) {
  std::string line;
  for (const float v : vector) line += StrCat(line.empty() ? "" : " ", v);
  return WriteOut(line + "\n");
}

Result<int> Run(const EmbedCommand& c, const Context& context) {
  if (c.pooling != "mean" && c.pooling != "cls" && c.pooling != "last") {
    return UsageError("--pooling ", c.pooling, ": it is mean, cls or last");
  }
  HST_ASSIGN_OR_RETURN(const std::vector<std::string> texts, Texts(c));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Artifact> artifact, OpenOn(c.artifact, c.isa, c.device));
  if (artifact->info().causal) return UsageError(c.artifact, " is a language model, not an encoder; see hasten run --help");
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Session> session,
                       calib::Session::Create(*artifact, {.threads = ThreadsOf(c.threads), .cancel = context.interrupted}));
  nlohmann::ordered_json report = {{"embeddings", nlohmann::ordered_json::array()}, {"tokens", nlohmann::ordered_json::array()}};
  report["pooling"] = c.pooling;
  for (const std::string& text : texts) {
    HST_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, artifact->Encode(text, /*special=*/true));
    if (tokens.empty()) return UsageError("a text without tokens has no vector");
    HST_RETURN_IF_ERROR(session->Reset());
    HST_ASSIGN_OR_RETURN(const calib::RowBlock rows, session->Evaluate(tokens, calib::Rows::kAll));
    const Vector vector = Pool(rows, c.pooling);
    report["embeddings"].push_back(vector);
    report["tokens"].push_back(tokens.size());
    if (!c.json) HST_RETURN_IF_ERROR(PrintLine(vector));
  }
  if (c.json) HST_RETURN_IF_ERROR(WriteOut(report.dump() + "\n"));
  return 0;
}

}  // namespace

Action AddEmbed(CLI::App& app) {
  const auto c = std::make_shared<EmbedCommand>();
  app.add_option("artifact", c->artifact, "The compiled encoder")->required()->type_name("out.hst");
  app.add_option("--text", c->texts, "A text; may be repeated")->allow_extra_args(false)->type_name("TEXT");
  app.add_option("--text-file", c->text_file, "A file with a text on each line")->type_name("FILE");
  app.add_option("--pooling", c->pooling, "Over the tokens of a text: mean, cls (the first), last [mean]")->type_name("KIND");
  app.add_option("--threads", c->threads, "Threads [one a core]")->check(CLI::Range(1, 256))->type_name("N");
  AddDeviceOptions(app, c->device);
  app.add_option("--isa", c->isa, "Force an instruction set: scalar, avx2, avxvnni, avx512vnni")->type_name("ISA");
  app.add_flag("--json", c->json, "Print embeddings, tokens and pooling as JSON");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
