// The report survives being written and read, hostile files are refused by place,
// and the published schema is that of the code.
#include "calib/gate/report_json.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::gate {
namespace {

using ::testing::HasSubstr;

Report Sample() {
  Report r;
  r.verdict = Verdict::kFail;
  r.reason = "quality.kld_mean_max";
  r.files = {{"candidate", "a.hst", std::string(64, 'a'), 12}};
  Criterion c;
  c.surface = "chat", c.name = "quality.kld_mean_max", c.margin = 0.01, c.estimate = 0.25;
  c.interval = Interval{0.2, 0.3, 0.9};
  c.n = 1020, c.clusters = 40, c.verdict = Verdict::kFail, c.n_to_decide = 7;
  r.criteria = {c};
  r.metrics = {{"kld_mean", "mean", std::nullopt, std::nullopt}};
  r.kld = {"nats", {0, 1, 2}, {3, 4}};
  r.latency.subjects.resize(1);
  r.latency.subjects[0].percentiles = {{"ttft_ms", "all", 50, 1.5, 1.0, 2.0, 30}};
  r.worst = {{"token", 1, 2, "<script>\xff", "a", "b", "c", 1.5, "nats"}};
  return r;
}

TEST(Report, SurvivesJson) {
  const std::string json = ReportToJson(Sample());
  const Result<Report> back = ReportFromJson(json);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(ReportToJson(*back), json);
  EXPECT_EQ(back->criteria[0].interval->high, 0.3);
  EXPECT_EQ(*back->criteria[0].n_to_decide, 7);
  EXPECT_FALSE(back->metrics[0].value.has_value());
  EXPECT_EQ(back->latency.subjects[0].percentiles[0].n, 30);
}

TEST(Report, WhatIsWrongIsNamed) {
  EXPECT_THAT(ReportFromJson("\x01\x02").status().message(), HasSubstr("not JSON"));
  EXPECT_THAT(ReportFromJson("[]").status().message(), HasSubstr("object"));
  nlohmann::ordered_json j = nlohmann::ordered_json::parse(ReportToJson(Sample()));
  j["criteria"][0]["n"] = "many";
  EXPECT_THAT(ReportFromJson(j.dump()).status().message(), HasSubstr("report.criteria[0].n: an integer"));
  j["criteria"][0]["n"] = 1;
  j["criteria"][0].erase("margin");
  EXPECT_THAT(ReportFromJson(j.dump()).status().message(), HasSubstr("\"margin\" is missing"));
  j["version"] = 99;
  EXPECT_THAT(ReportFromJson(j.dump()).status().message(), HasSubstr("version 99"));
}

TEST(Report, SchemaIsThePublishedOne) {
  std::ifstream in(std::string(HASTEN_SOURCE_DIR) + "/docs/gate-report.schema.json");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), ReportSchema()) << "build/bin/gate_schema > docs/gate-report.schema.json";
}

}  // namespace
}  // namespace hasten::gate
