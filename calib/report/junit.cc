#include "calib/report/junit.h"

#include <vector>

#include "calib/report/figures.h"
#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

using gate::Criterion;
using gate::Verdict;

struct Suite {
  std::string name, cases;
  int tests = 0, failures = 0, errors = 0;
};

void Add(const std::string& where, const std::string& name, Verdict verdict, const std::string& reason, const std::string& detail, Suite& suite) {
  ++suite.tests;
  suite.cases += StrCat("    <testcase classname=\"", Html(where), "\" name=\"", Html(name), "\"");
  if (verdict == Verdict::kPass) {
    suite.cases += StrCat("><system-out>", Html(reason), "</system-out></testcase>\n");
    return;
  }
  const char* kind = verdict == Verdict::kFail ? "failure" : "error";
  ++(verdict == Verdict::kFail ? suite.failures : suite.errors);
  suite.cases += StrCat("><", kind, " type=\"", gate::VerdictName(verdict), "\" message=\"", Html(reason), "\">", Html(detail), "</", kind, "></testcase>\n");
}

std::string Detail(const Criterion& c) {
  return StrCat("measured ", Number(c.estimate), c.interval ? StrCat(" (", IntervalText(c.interval), ")") : "", ", limit ", LimitText(c), ", n ", c.n,
                c.n_to_decide ? StrCat(", ", *c.n_to_decide, " would decide") : "");
}

Suite& SuiteOf(const std::string& name, std::vector<Suite>& suites) {
  for (Suite& s : suites) if (s.name == name) return s;
  return suites.emplace_back(Suite{.name = name});
}

}  // namespace

std::string JunitXml(const gate::Report& r) {
  std::vector<Suite> suites;
  // The verdict itself: a report without criteria would otherwise look like a success.
  Add("gate", "verdict", r.verdict, r.reason, CountsText(r), SuiteOf("gate", suites));
  for (const Criterion& c : r.criteria) Add(StrCat("gate.", c.surface, ".", c.group), c.name, c.verdict, c.reason, Detail(c), SuiteOf("gate." + c.surface, suites));
  int tests = 0, failures = 0, errors = 0;
  std::string body;
  for (const Suite& s : suites) {
    tests += s.tests, failures += s.failures, errors += s.errors;
    body += StrCat("  <testsuite name=\"", Html(s.name), "\" tests=\"", s.tests, "\" failures=\"", s.failures, "\" errors=\"", s.errors, "\" skipped=\"0\">\n", s.cases, "  </testsuite>\n");
  }
  return StrCat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"hasten gate\" tests=\"", tests, "\" failures=\"", failures, "\" errors=\"", errors, "\">\n", body, "</testsuites>\n");
}

}  // namespace hasten::report
