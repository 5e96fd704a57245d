// The forms of a report say what it says, whatever its texts are.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "calib/gate/report_json.h"
#include "calib/report/compare.h"
#include "calib/report/html.h"
#include "calib/report/junit.h"
#include "calib/report/markdown.h"
#include "calib/report/text.h"
#include "calib/report/write.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/report/sample_report.h"

namespace hasten::report {
namespace {

using gate::Verdict;
using ::testing::HasSubstr;
using ::testing::Not;

size_t Count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

struct Tag {
  std::string name;
  bool closes = false, alone = false;   // </name>, <name/>
  size_t end = 0;                       // behind its '>'; 0: not well-formed
};

// The tag at text[at] == '<': a name, then attributes in double quotes without '<'.
Tag TagAt(const std::string& text, size_t at) {
  Tag tag;
  if (text[++at] == '/') tag.closes = true, ++at;
  while (std::islower(static_cast<unsigned char>(text[at])) || std::isdigit(static_cast<unsigned char>(text[at])) || text[at] == '-') tag.name += text[at++];
  bool quoted = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '<') return tag;
    if (text[at] == '"') quoted = !quoted;
    if (text[at] == '>' && !quoted) break;
  }
  tag.alone = text[at - 1] == '/';
  if (!tag.name.empty()) tag.end = at + 1;
  return tag;
}

// Elements of HTML or XML open and close in order.
void ExpectWellFormed(const std::string& text) {
  const std::set<std::string> empty = {"meta", "br", "wbr"};
  std::vector<std::string> open;
  size_t at = text.find("<html");
  if (at == std::string::npos) at = text.find("?>") + 2;
  while ((at = text.find('<', at)) != std::string::npos) {
    const Tag tag = TagAt(text, at);
    ASSERT_NE(tag.end, 0u) << text.substr(at, 100);
    if (tag.closes) {
      ASSERT_FALSE(open.empty()) << text.substr(at, 100);
      ASSERT_EQ(open.back(), tag.name) << text.substr(at, 100);
      open.pop_back();
    } else if (!tag.alone && !empty.contains(tag.name)) {
      open.push_back(tag.name);
    }
    at = tag.name == "style" && !tag.closes ? text.find("</style>", at) : tag.end;
  }
  EXPECT_TRUE(open.empty()) << open.back();
}

TEST(Html, HostileTextBecomesNoElement) {
  for (const gate::Report& r : {FullReport(), HostileReport(), PassingReport(), gate::Report()}) {
    const std::string page = HtmlPage(r);
    ExpectWellFormed(page);
    for (const char* active : {"<script", "<img", "<a ", "<link", "<iframe", "javascript:", "src=\"", "href=\""}) EXPECT_EQ(Count(page, active), 0u) << active;
    EXPECT_THAT(page, HasSubstr("default-src 'none'"));
    EXPECT_TRUE(r.tool_version == kHostile || Count(page, "://") == 0) << "an address outside the page";
  }
}

TEST(Html, ShowsEveryPartOfAFullReport) {
  const std::vector<gate::Report> others = {PassingReport()};
  const std::string page = HtmlPage(FullReport(), others);
  for (const char* id : {"criteria", "plots", "tasks", "latency", "worst", "generations", "metrics", "noise", "files"}) EXPECT_EQ(Count(page, std::string("<section id=\"") + id + "\""), 1u) << id;
  EXPECT_EQ(Count(page, "<svg class=\"plot\""), 7u);
  EXPECT_EQ(Count(page, "<li>"), 20u);
  EXPECT_EQ(Count(page, "<tr class=\"fail\">"), 3u);
  EXPECT_THAT(page, HasSubstr("int8:32: 154 MB, 0.0044 nats"));   // the other report's artifact
  EXPECT_LT(page.find("quality.<wbr>kld_"), page.find("hard.<wbr>finite"));   // what failed comes first
}

TEST(Html, AnEmptyReportDoesNotLookLikeSuccess) {
  const std::string page = HtmlPage(gate::Report());
  EXPECT_THAT(page, HasSubstr("INCONCLUSIVE"));
  EXPECT_THAT(page, HasSubstr("nothing passes"));
  EXPECT_THAT(page, Not(HasSubstr("PASS")));
}

TEST(Junit, ACaseACriterionAndOneForTheVerdict) {
  const std::string xml = JunitXml(FullReport());
  ExpectWellFormed(xml);
  EXPECT_EQ(Count(xml, "<testcase "), FullReport().criteria.size() + 1);
  EXPECT_EQ(Count(xml, "<failure "), 4u);
  EXPECT_EQ(Count(xml, "<error "), 2u);
  EXPECT_THAT(xml, HasSubstr("<testsuites name=\"hasten gate\" tests=\"12\" failures=\"4\" errors=\"2\">"));
  ExpectWellFormed(JunitXml(HostileReport()));
  const std::string empty = JunitXml(gate::Report());
  EXPECT_THAT(empty, HasSubstr("tests=\"1\" failures=\"0\" errors=\"1\""));
}

TEST(Markdown, TablesKeepTheirColumnsWhateverTheText) {
  for (const gate::Report& r : {FullReport(), HostileReport()}) {
    const std::string text = MarkdownText(r);
    std::stringstream in(text);
    size_t columns = 0, rows = 0;
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with("|")) {
        columns = 0;
        continue;
      }
      size_t bars = 0;
      for (size_t i = 0; i < line.size(); ++i) bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
      if (columns == 0) columns = bars;
      EXPECT_EQ(bars, columns) << line;
      ++rows;
    }
    EXPECT_GT(rows, 25u);
    EXPECT_EQ(Count(text, "\n<"), Count(text, "\n<details>") + Count(text, "\n</details>"));
    EXPECT_THAT(text, Not(HasSubstr("@all ")));
  }
}

TEST(Write, FourFilesThatReadBack) {
  const std::string folder = ::testing::TempDir() + "/hasten-report-test/a/b";
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(WriteReports(FullReport(), folder).ok());
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"report.json", "report.md", "junit.xml", "report.html"}));
  const auto back = ReadReport(folder + "/report.json");
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(gate::ReportToJson(*back), gate::ReportToJson(FullReport()));
  EXPECT_EQ(WriteReports(FullReport(), folder + "/report.json").code(), Code::kResource);   // a file, no folder
  EXPECT_EQ(ReadReport(folder + "/none.json").status().code(), Code::kResource);
  EXPECT_THAT(ReadReport(folder + "/report.md").status().message(), HasSubstr("report.md"));
  EXPECT_EQ(ReadReport(folder + "/report.md").status().code(), Code::kBadInput);
  std::filesystem::remove_all(folder);
}

TEST(Compare, SaysWhatGotWorse) {
  const gate::Report reports[] = {PassingReport(), FullReport()};
  const Comparison c = Compare(reports);
  EXPECT_TRUE(c.worse);
  const auto find = [&](const std::string& name) -> const Trend& { return *std::find_if(c.trends.begin(), c.trends.end(), [&](const Trend& t) { return t.name == name; }); };
  EXPECT_EQ(find("chat quality.kld_mean_max").change, Change::kWorse);
  EXPECT_EQ(find("chat quality.kld_mean_max").why, "PASS became FAIL");
  EXPECT_EQ(find("chat ttft_ms.p50").change, Change::kSame);
  EXPECT_EQ(find("chat ttft_ms.p99").why, "new");
  EXPECT_EQ(find("kld_mean").values[0], 0.0044);
  EXPECT_THAT(ComparisonText(c), HasSubstr("WORSE: PASS became FAIL"));
  EXPECT_THAT(ComparisonJson(c), HasSubstr("\"worse\": true"));
}

TEST(Compare, BeyondBothIntervalsOrNot) {
  gate::Report before = PassingReport(), after = PassingReport();
  const gate::Report same[] = {before, after};
  EXPECT_FALSE(Compare(same).worse);
  // Still passing, but the intervals no longer meet.
  after.criteria[0].estimate = 0.0060, after.criteria[0].interval = gate::Interval{0.0057, 0.0063, 0.9};
  const gate::Report up[] = {before, after}, down[] = {after, before};
  EXPECT_TRUE(Compare(up).worse);
  EXPECT_FALSE(Compare(down).worse);
  EXPECT_EQ(Compare(down).trends[0].change, Change::kBetter);
  // At least: less is worse.
  after = before;
  after.criteria[2].estimate = 0.955, after.criteria[2].interval = gate::Interval{0.952, 0.958, 0.9};
  const gate::Report less[] = {before, after};
  EXPECT_TRUE(Compare(less).worse);
}

TEST(Compare, ASingleFigureMayWander) {
  gate::Report before = PassingReport(), after = PassingReport();
  gate::Criterion& memory = after.criteria.back();
  ASSERT_EQ(memory.name, "peak_rss_mb_max");
  ASSERT_FALSE(memory.interval);
  memory.estimate = *memory.estimate * 1.08;
  const gate::Report little[] = {before, after};
  EXPECT_FALSE(Compare(little).worse);
  memory.estimate = *memory.estimate * 1.1;
  const gate::Report much[] = {before, after};
  EXPECT_TRUE(Compare(much).worse);
}

TEST(Compare, WhatIsNoLongerJudgedAndOtherDataAreSaid) {
  gate::Report before = PassingReport(), after = PassingReport();
  after.criteria.erase(after.criteria.begin());
  after.files[3].sha256 = std::string(64, '0');
  const gate::Report reports[] = {before, after};
  const Comparison c = Compare(reports);
  EXPECT_TRUE(c.worse);
  EXPECT_EQ(c.trends.size(), before.criteria.size() + before.metrics.size());
  ASSERT_EQ(c.warnings.size(), 1u);
  EXPECT_THAT(c.warnings[0], HasSubstr("not the same text"));
}

}  // namespace
}  // namespace hasten::report
