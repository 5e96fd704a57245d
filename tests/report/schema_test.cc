// Reports hold to the published schema, as a reader that knows nothing of the code
// would check it: the keywords that the schema uses, and no others.
#include <fstream>

#include <nlohmann/json.hpp>

#include "calib/gate/report_json.h"
#include "gtest/gtest.h"
#include "tests/report/sample_report.h"

namespace hasten::report {
namespace {

using nlohmann::json;

bool HasType(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "null") return value.is_null();
  throw std::runtime_error("a type that this reader does not know: " + type);
}

// "" when `value` holds to `schema` (JSON Schema 2020-12), else where it does not.
std::string Violation(const json& value, const json& schema, const std::string& where) {
  for (const auto& [keyword, rule] : schema.items()) {
    if (keyword == "type") {
      const json types = rule.is_array() ? rule : json::array({rule});
      if (std::none_of(types.begin(), types.end(), [&](const json& t) { return HasType(value, t.get<std::string>()); })) return where + ": type";
    } else if (keyword == "enum") {
      if (std::find(rule.begin(), rule.end(), value) == rule.end()) return where + ": enum";
    } else if (keyword == "anyOf") {
      if (std::none_of(rule.begin(), rule.end(), [&](const json& s) { return Violation(value, s, where).empty(); })) return where + ": anyOf";
    } else if (keyword == "required") {
      for (const json& key : rule) if (!value.contains(key.get<std::string>())) return where + ": lacks " + key.get<std::string>();
    } else if (keyword == "items") {
      for (size_t i = 0; i < value.size(); ++i) {
        if (std::string v = Violation(value[i], rule, where + "[" + std::to_string(i) + "]"); !v.empty()) return v;
      }
    } else if (keyword == "properties") {
      for (const auto& [key, inner] : rule.items()) {
        if (!value.is_object() || !value.contains(key)) continue;
        if (std::string v = Violation(value[key], inner, where + "." + key); !v.empty()) return v;
      }
    } else if (keyword == "additionalProperties") {
      for (const auto& [key, inner] : value.items()) if (!rule.get<bool>() && !schema["properties"].contains(key)) return where + ": has " + key;
    } else if (keyword != "description" && keyword != "title" && keyword != "$schema") {
      throw std::runtime_error("a keyword that this reader does not know: " + keyword);
    }
  }
  return "";
}

TEST(Schema, ReportsHoldToIt) {
  std::ifstream in(std::string(HASTEN_SOURCE_DIR) + "/docs/gate-report.schema.json");
  const json schema = json::parse(in);
  for (const gate::Report& r : {FullReport(), HostileReport(), PassingReport(), gate::Report()}) {
    EXPECT_EQ(Violation(json::parse(gate::ReportToJson(r)), schema, "report"), "");
  }
  json wrong = json::parse(gate::ReportToJson(FullReport()));
  wrong["latency"]["subjects"][1]["samples"][0]["values"][3] = "late";
  EXPECT_EQ(Violation(wrong, schema, "report"), "report.latency.subjects[1].samples[0].values[3]: type");
  wrong = json::parse(gate::ReportToJson(FullReport()));
  wrong["criteria"][0]["verdict"] = "MAYBE";
  EXPECT_EQ(Violation(wrong, schema, "report"), "report.criteria[0].verdict: enum");
  wrong["extra"] = 1;
  EXPECT_NE(Violation(wrong, schema, "report"), "");
}

}  // namespace
}  // namespace hasten::report
