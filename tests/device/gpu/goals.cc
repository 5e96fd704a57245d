#include "tests/device/gpu/goals.h"

#include <algorithm>
#include <cstdio>
#include <functional>

namespace hasten::check {
namespace {

double Median(const Json& report, const char* key) { return report.at(key).at("median").get<double>(); }

bool IsHead(const Json& tensor) { return tensor.at("name") == "lm_head.weight"; }
bool IsTable(const Json& tensor) { return tensor.at("name") == "embed_tokens.weight"; }

// Bytes of weights that a step reads: all but the token table, of which it reads a row.
double StepBytes(const Json& tensors) {
  double bytes = 0;
  for (const Json& t : tensors)
    if (!IsTable(t)) bytes += t.at("bytes").get<double>();
  return bytes;
}
// Integer operations of a prompt's token: the head is asked for the last one alone.
double TokenOps(const Json& tensors) {
  double operations = 0;
  for (const Json& t : tensors)
    if (!IsTable(t) && !IsHead(t) && t.at("shape")[0] != 1) operations += 2 * t.at("shape")[0].get<double>() * t.at("shape")[1].get<double>();
  return operations;
}

// The part of the device's read bandwidth that decoding's weights take.
double Bandwidth(const ModelFigures& m, const Json& kernels) {
  return Median(m.one, "decode_tokens_per_s") * StepBytes(m.tensors) / (1e9 * kernels.at("ceilings").at("read_gb_per_s").get<double>());
}

// Once the device's context exists: the first round makes it.
double OpenToFirstTokenMs(const Json& report) {
  const auto loads = report.at("load_ms").at("rounds").get<std::vector<double>>();
  return *std::min_element(loads.begin() + 1, loads.end()) + Median(report, "time_to_first_token_ms");
}

struct Goal {
  const char* name;
  double needed;
  bool at_most;
  std::function<double()> value;   // throws where a figure is missing
};

}  // namespace

Json Goals(const Json& kernels, const ModelFigures& small, const ModelFigures& large) {
  const auto times = [&](const Json& many) { return Median(many, "decode_tokens_per_s") / Median(large.one, "decode_tokens_per_s"); };
  const Goal goals[] = {
      {"8B, decoding 1 sequence: part of the read bandwidth", 0.85, false, [&] { return Bandwidth(large, kernels); }},
      {"1B, decoding 1 sequence: part of the read bandwidth", 0.60, false, [&] { return Bandwidth(small, kernels); }},
      {"8B, decoding 8 sequences: times 1", 6.5, false, [&] { return times(large.eight); }},
      {"8B, decoding 32 sequences: times 1", 20, false, [&] { return times(large.many); }},
      {"8B, prompt of 2,048: part of cuBLASLt's int8 product", 0.60, false,
       [&] { return Median(large.prompt, "prefill_tokens_per_s") * TokenOps(large.tensors) / (1e12 * kernels.at("ceilings").at("cublaslt_int8_tops").get<double>()); }},
      {"1B, open to the first token after 512, ms", 400, true, [&] { return OpenToFirstTokenMs(small.one); }},
  };
  Json rows = Json::array();
  for (const Goal& g : goals) {
    Json row = {{"goal", g.name}, {"needed", g.needed}, {"value", nullptr}, {"met", nullptr}};
    try {
      const double value = g.value();
      row["value"] = value, row["met"] = g.at_most ? value <= g.needed : value >= g.needed;
    } catch (const std::exception&) {   // a figure is missing
    }
    rows.push_back(row);
  }
  return rows;
}

std::string GoalsText(const Json& goals) {
  std::string text;
  for (const Json& g : goals) {
    char line[200];
    const bool known = g.at("met").is_boolean();
    std::snprintf(line, sizeof line, "%-9s %8.2f  needed %6.2f  %s\n", !known ? "not known" : g.at("met").get<bool>() ? "met" : "NOT MET",
                  known ? g.at("value").get<double>() : 0.0, g.at("needed").get<double>(), g.at("goal").get<std::string>().c_str());
    text += line;
  }
  return text;
}

}  // namespace hasten::check
