#include "calib/compile/generation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

namespace hasten::calib {
namespace {

using nlohmann::json;

// A configuration file: its name for messages, and its members.
struct Config {
  std::string_view file;
  json members = json::object();

  // The member, or null when it is absent.
  const json& Get(const char* key) const {
    static const json null;
    const auto it = members.find(key);
    return it == members.end() ? null : *it;
  }
};

Result<Config> Parse(std::string_view file, std::string_view text) {
  Config config{file};
  if (text.empty()) return config;
  config.members = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.members.is_object()) return BadInput(file, ": not a JSON object");
  return config;
}

Result<int32_t> TokenId(const Config& config, const char* key, const json& value) {
  if (!value.is_number_integer() || value < 0 || value > std::numeric_limits<int32_t>::max()) {
    return BadInput(config.file, ": ", key, " must be a token id, it is ", value.dump().substr(0, 40));
  }
  return value.get<int32_t>();
}

// One id or a list of them; authors write both.
Status ReadIds(const Config& config, const char* key, std::vector<int32_t>& ids) {
  const json& value = config.Get(key);
  if (value.is_null() || !ids.empty()) return {};
  const json list = value.is_array() ? value : json::array({value});
  if (list.size() > 1024) return BadInput(config.file, ": ", key, " lists ", list.size(), " ids");
  for (const json& item : list) {
    HST_ASSIGN_OR_RETURN(const int32_t id, TokenId(config, key, item));
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  return {};
}

Status ReadId(const Config& config, const char* key, int32_t& id) {
  std::vector<int32_t> ids;
  HST_RETURN_IF_ERROR(ReadIds(config, key, ids));
  if (id < 0 && !ids.empty()) id = ids[0];
  return {};
}

Status ReadNumber(const Config& config, const char* key, double low, double high, float& number) {
  const json& value = config.Get(key);
  if (value.is_null()) return {};
  const double v = value.is_number() ? value.get<double>() : NAN;
  if (!(v >= low && v <= high)) {
    return BadInput(config.file, ": ", key, " must be a number in [", low, ", ", high, "], it is ", value.dump().substr(0, 40));
  }
  number = static_cast<float>(v);
  return {};
}

Status ReadSampling(const Config& config, GenerationDefaults& defaults) {
  const json& sample = config.Get("do_sample");
  if (!sample.is_null() && !sample.is_boolean()) return BadInput(config.file, ": do_sample must be true or false");
  defaults.do_sample = sample.is_boolean() && sample.get<bool>();
  HST_RETURN_IF_ERROR(ReadNumber(config, "temperature", 0, 1e6, defaults.temperature));
  HST_RETURN_IF_ERROR(ReadNumber(config, "top_p", 0, 1, defaults.top_p));
  HST_RETURN_IF_ERROR(ReadNumber(config, "min_p", 0, 1, defaults.min_p));
  HST_RETURN_IF_ERROR(ReadNumber(config, "repetition_penalty", 1e-6, 1e6, defaults.repetition_penalty));
  float top_k = 0;
  HST_RETURN_IF_ERROR(ReadNumber(config, "top_k", 0, 1e9, top_k));
  defaults.top_k = static_cast<int32_t>(top_k);
  if (defaults.top_p == 0) defaults.top_p = 1;  // both spellings of "off" occur
  return {};
}

}  // namespace

Result<GenerationDefaults> ReadGenerationDefaults(std::string_view generation_config, std::string_view config) {
  HST_ASSIGN_OR_RETURN(const Config generation, Parse("generation_config.json", generation_config));
  HST_ASSIGN_OR_RETURN(const Config model, Parse("config.json", config));
  GenerationDefaults defaults;
  HST_RETURN_IF_ERROR(ReadSampling(generation, defaults));
  for (const Config* source : {&generation, &model}) {
    HST_RETURN_IF_ERROR(ReadIds(*source, "eos_token_id", defaults.eos_ids));
    HST_RETURN_IF_ERROR(ReadId(*source, "bos_token_id", defaults.bos_id));
    HST_RETURN_IF_ERROR(ReadId(*source, "pad_token_id", defaults.pad_id));
  }
  for (const char* key : {"max_position_embeddings", "n_positions", "n_ctx"}) {
    const json& value = model.Get(key);
    if (defaults.max_positions == 0 && value.is_number_unsigned()) defaults.max_positions = value.get<uint64_t>();
  }
  if (const json& type = model.Get("model_type"); type.is_string()) defaults.architecture = type.get<std::string>().substr(0, 64);
  return defaults;
}

}  // namespace hasten::calib
