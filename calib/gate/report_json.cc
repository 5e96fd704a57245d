#include "calib/gate/report_json.h"

#include <cmath>
#include <set>
#include <type_traits>

#include <nlohmann/json.hpp>

#include "calib/gate/report_fields.h"

namespace hasten::gate {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

constexpr const char* kVerdicts[] = {"PASS", "FAIL", "INCONCLUSIVE"};

struct Writer {
  Json& object;

  template <class T>
  static Json Value(const T& x) {
    if constexpr (IsOptional<T>::value) {
      return x ? Value(*x) : Json(nullptr);
    } else if constexpr (IsVector<T>::value) {
      Json array = Json::array();
      for (const auto& item : x) array.push_back(Value(item));
      return array;
    } else if constexpr (std::is_same_v<T, Verdict>) {
      return VerdictName(x);
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      return x;   // nlohmann writes what is not finite as null
    } else {
      Json inner = Json::object();
      Writer writer{inner};
      Fields(writer, const_cast<T&>(x));   // the lists are shared with the reader
      return inner;
    }
  }
  template <class T>
  void operator()(const char* key, const T& member, const char*) { object[key] = Value(member); }
};

struct Reader {
  const Json& object;
  const std::string& where;
  Status& status;
  std::set<std::string> known = {};

  template <class T>
  static Status Read(const Json& j, const std::string& where, T& x) {
    if constexpr (IsOptional<T>::value) {
      if (j.is_null()) return x.reset(), Status();
      return Read(j, where, x.emplace());
    } else if constexpr (IsVector<T>::value) {
      if (!j.is_array()) return BadInput(where, ": a list is expected");
      x.resize(j.size());
      for (size_t i = 0; i < j.size(); ++i) HST_RETURN_IF_ERROR(Read(j[i], StrCat(where, "[", i, "]"), x[i]));
      return {};
    } else if constexpr (std::is_same_v<T, Verdict>) {
      for (int i = 0; i < 3; ++i) {
        if (j.is_string() && j.get_ref<const std::string&>() == kVerdicts[i]) return x = static_cast<Verdict>(i), Status();
      }
      return BadInput(where, ": PASS, FAIL or INCONCLUSIVE is expected");
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!j.is_string()) return BadInput(where, ": text is expected");
      return x = j.get<std::string>(), Status();
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!j.is_boolean()) return BadInput(where, ": true or false is expected");
      return x = j.get<bool>(), Status();
    } else if constexpr (std::is_integral_v<T>) {
      if (!j.is_number_integer() || (j.is_number_unsigned() && j.get<uint64_t>() > uint64_t{INT64_MAX})) return BadInput(where, ": an integer is expected");
      return x = j.get<T>(), Status();
    } else if constexpr (std::is_floating_point_v<T>) {
      if (j.is_null()) return x = std::nan(""), Status();
      if (!j.is_number()) return BadInput(where, ": a number is expected");
      return x = j.get<T>(), Status();
    } else {
      if (!j.is_object()) return BadInput(where, ": an object is expected");
      Status status;
      Reader reader{j, where, status};
      Fields(reader, x);
      HST_RETURN_IF_ERROR(std::move(status));
      for (const auto& [key, value] : j.items()) {
        if (!reader.known.contains(key)) return BadInput(where, ": the key \"", key, "\" is not known");
      }
      return {};
    }
  }
  template <class T>
  void operator()(const char* key, T& member, const char*) {
    known.insert(key);
    if (!status.ok()) return;
    const auto it = object.find(key);
    if (it == object.end()) status = BadInput(where, ": the key \"", key, "\" is missing");
    else status = Read(*it, StrCat(where, ".", key), member);
  }
};

struct Describer {
  Json& schema;

  template <class T>
  static Json Type() {
    if constexpr (IsOptional<T>::value) {
      return {{"anyOf", Json::array({Type<typename T::value_type>(), Json{{"type", "null"}}})}};
    } else if constexpr (IsVector<T>::value) {
      return {{"type", "array"}, {"items", Type<typename T::value_type>()}};
    } else if constexpr (std::is_same_v<T, Verdict>) {
      return {{"enum", kVerdicts}};
    } else if constexpr (std::is_same_v<T, std::string>) {
      return {{"type", "string"}};
    } else if constexpr (std::is_same_v<T, bool>) {
      return {{"type", "boolean"}};
    } else if constexpr (std::is_integral_v<T>) {
      return {{"type", "integer"}};
    } else if constexpr (std::is_floating_point_v<T>) {
      return {{"type", Json::array({"number", "null"})}};
    } else {
      Json object = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}, {"additionalProperties", false}};
      Describer inner{object};
      T x;
      Fields(inner, x);
      return object;
    }
  }
  template <class T>
  void operator()(const char* key, T&, const char* meaning) {
    Json type = Type<T>();
    type["description"] = meaning;
    schema["properties"][key] = std::move(type);
    schema["required"].push_back(key);
  }
};

}  // namespace

const char* VerdictName(Verdict verdict) { return kVerdicts[static_cast<int>(verdict)]; }

int VerdictExit(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass: return 0;
    case Verdict::kFail: return 1;
    case Verdict::kInconclusive: return 5;
  }
  return 5;
}

std::string ReportToJson(const Report& report) {
  return Writer::Value(report).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Report> ReportFromJson(std::string_view json) {
  const Json j = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (j.is_discarded()) return BadInput("report: is not JSON");
  if (j.is_object() && j.contains("version") && j["version"] != kReportVersion) {
    return BadInput("report: version ", j["version"].dump(), ", this hasten reads ", kReportVersion);
  }
  Report report;
  HST_RETURN_IF_ERROR(Reader::Read(j, "report", report));
  return report;
}

std::string ReportSchema() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "Report of hasten gate"}};
  schema.update(Describer::Type<Report>());
  return schema.dump(2) + "\n";
}

}  // namespace hasten::gate
