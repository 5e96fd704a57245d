// Global functions, the binding of arguments, and the time.
#include <algorithm>
#include <array>

#include "runtime/engine/chat/interpreter.h"

namespace hasten::chat {

Args::Args(std::string_view callee, const CallArgs& args, std::initializer_list<std::string_view> names)
    : callee_(callee), names_(names.begin(), names.end()), values_(names.size(), nullptr) {
  if (args.positional.size() > names_.size())
    Fail(StrCat(callee, " takes at most ", names_.size(), " arguments, got ", args.positional.size()));
  for (size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto at = std::find(names_.begin(), names_.end(), name);
    if (at == names_.end())
      throw TemplateError{StrCat(callee, ": argument \"", name, "\" is not supported"), true};
    auto& slot = values_[static_cast<size_t>(at - names_.begin())];
    if (slot) Fail(StrCat(callee, " got argument \"", name, "\" twice"));
    slot = &value;
  }
}

const Value& Args::Need(size_t i) const {
  if (!values_[i]) Fail(StrCat(callee_, " needs argument \"", names_[i], "\""));
  return *values_[i];
}

int64_t Args::Integer(size_t i, int64_t fallback) const {
  if (!values_[i] || values_[i]->is_none()) return fallback;
  if (!values_[i]->is_integer()) Fail(StrCat(callee_, ": argument \"", names_[i], "\" must be an integer"));
  return values_[i]->integer();
}

std::string Args::Text(size_t i, std::string fallback) const {
  return values_[i] ? values_[i]->Str() : fallback;
}

namespace {

class Function : public Callable {
 public:
  using Body = Value (*)(Interpreter&, const CallArgs&);
  explicit Function(Body body) : body_(body) {}
  std::string_view type_name() const override { return "function"; }
  Value Call(Interpreter& in, const CallArgs& args) override { return body_(in, args); }

 private:
  Body body_;
};

Value Range(Interpreter& in, const CallArgs& args) {
  for (const Value& v : args.positional)
    if (!v.is_integer()) Fail(StrCat("range: '", v.TypeName(), "' object cannot be interpreted as an integer"));
  const size_t n = args.positional.size();
  if (n < 1 || n > 3 || !args.named.empty()) Fail("range takes one to three numbers");
  const int64_t start = n > 1 ? args.positional[0].integer() : 0;
  const int64_t stop = args.positional[n > 1 ? 1 : 0].integer();
  const int64_t step = n > 2 ? args.positional[2].integer() : 1;
  if (step == 0) Fail("range() arg 3 must not be zero");
  List out;
  constexpr size_t kMaxRange = 100000;  // as Jinja's sandbox
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (out.size() == kMaxRange) Fail(StrCat("range() gives more than ", kMaxRange, " numbers"));
    out.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  in.Charge(out.size() * sizeof(Value));
  return Value(std::move(out));
}

Value MakeNamespace(Interpreter& in, const CallArgs& args) {
  auto ns = in.NewNamespace();
  for (const Value& v : args.positional) {
    if (!v.is_dict()) Fail("namespace takes names and mappings");
    for (const auto& [key, value] : v.dict()) ns->attributes.Set(key.Str(), value);
  }
  for (const auto& [name, value] : args.named) ns->attributes.Set(name, value);
  return Value(std::static_pointer_cast<Object>(std::move(ns)));
}

Value MakeDict(Interpreter&, const CallArgs& args) {
  Dict out;
  if (args.positional.size() > 1 || (!args.positional.empty() && !args.positional[0].is_dict()))
    throw TemplateError{"dict() of anything but a mapping and names is not supported", true};
  if (!args.positional.empty()) out = args.positional[0].dict();
  for (const auto& arg : args.named) {
    const Value key(arg.first);
    const auto found = std::find_if(out.begin(), out.end(), [&](const auto& e) { return e.first.Equals(key); });
    if (found != out.end()) found->second = arg.second;
    else out.emplace_back(key, arg.second);
  }
  return Value(std::move(out));
}

Value RaiseException(Interpreter&, const CallArgs& args) {
  const Args a("raise_exception", args, {"message"});
  Fail(StrCat("the template refuses this conversation: ", a.Need(0).Str()));
}

Value StrftimeNow(Interpreter& in, const CallArgs& args) {
  const Args a("strftime_now", args, {"format"});
  if (!in.now())
    throw TemplateError{"strftime_now is not supported without a time given by the caller", true};
  return FormatTime(*in.now(), a.Need(0).Str());
}

}  // namespace

Value Builtin(const std::string& name) {
  constexpr std::pair<std::string_view, Function::Body> kFunctions[] = {{"range", Range},
                                                                        {"namespace", MakeNamespace},
                                                                        {"dict", MakeDict},
                                                                        {"raise_exception", RaiseException},
                                                                        {"strftime_now", StrftimeNow}};
  for (const auto& [n, body] : kFunctions)
    if (n == name) return Value(std::static_pointer_cast<Object>(std::make_shared<Function>(body)));
  for (const std::string_view refused : {"cycler", "joiner", "lipsum"})
    if (name == refused) throw TemplateError{StrCat("function \"", name, "\" is not supported"), true};
  return {};
}

// Days to date by Howard Hinnant's civil_from_days (public domain algorithm).
std::string FormatTime(int64_t seconds, std::string_view format) {
  if (seconds < -62135596800 || seconds > 253402300799) Fail("strftime_now: the time is not in years 1 to 9999");
  const int64_t days = seconds >= 0 ? seconds / 86400 : -((86399 - seconds) / 86400);
  const int64_t rest = seconds - days * 86400;
  const int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  const int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
  const int64_t year = yoe + era * 400 + (month <= 2);
  const int64_t hour = rest / 3600, minute = rest / 60 % 60, second = rest % 60;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  constexpr std::array<int, 12> kBefore = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const int64_t year_day = kBefore[static_cast<size_t>(month - 1)] + (leap && month > 2) + day;
  const auto weekday = static_cast<size_t>(((days + 4) % 7 + 7) % 7);
  constexpr std::string_view kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  constexpr std::string_view kMonths[] = {"January", "February", "March", "April", "May", "June", "July",
                                          "August", "September", "October", "November", "December"};
  const std::string_view month_name = kMonths[static_cast<size_t>(month - 1)];
  const auto pad = [](int64_t v, size_t width, char fill = '0') {
    std::string s = std::to_string(v);
    return s.size() < width ? std::string(width - s.size(), fill) + s : s;
  };
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const bool bare = i + 1 < format.size() && format[i + 1] == '-';  // "%-d": no padding (glibc)
    i += bare ? 2 : 1;
    const char c = i < format.size() ? format[i] : '\0';
    const auto number = [&](int64_t v, size_t width) { return bare ? std::to_string(v) : pad(v, width); };
    switch (c) {
      case 'Y': out += std::to_string(year); break;
      case 'y': out += number(year % 100, 2); break;
      case 'm': out += number(month, 2); break;
      case 'd': out += number(day, 2); break;
      case 'e': out += bare ? std::to_string(day) : pad(day, 2, ' '); break;
      case 'H': out += number(hour, 2); break;
      case 'I': out += number((hour + 11) % 12 + 1, 2); break;
      case 'M': out += number(minute, 2); break;
      case 'S': out += number(second, 2); break;
      case 'j': out += number(year_day, 3); break;
      case 'p': out += hour < 12 ? "AM" : "PM"; break;
      case 'A': out += kDays[weekday]; break;
      case 'a': out += kDays[weekday].substr(0, 3); break;
      case 'B': out += month_name; break;
      case 'b': out += month_name.substr(0, 3); break;
      case 'F': out += StrCat(pad(year, 4), "-", pad(month, 2), "-", pad(day, 2)); break;
      case 'T': out += StrCat(pad(hour, 2), ":", pad(minute, 2), ":", pad(second, 2)); break;
      case '%': out += '%'; break;
      default: throw TemplateError{StrCat("strftime_now: \"%", c ? std::string(1, c) : "", "\" is not supported"), true};
    }
  }
  return out;
}

}  // namespace hasten::chat
