// Status and Result: codes, messages, copies, the return macros, exit statuses.
#include "runtime/base/status.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace hasten {
namespace {

TEST(StrCat, SpellsNumbersExactly) {
  EXPECT_EQ(StrCat("a", 1, -2, 'c', true, std::string("d"), 0.1f, 1e300), "a1-2ctrued0.11e+300");
  EXPECT_EQ(StrCat(uint64_t{18446744073709551615u}), "18446744073709551615");
  EXPECT_EQ(StrCat(), "");
}

TEST(Status, OkByDefault) {
  const Status s;
  EXPECT_TRUE(s.ok());
  EXPECT_EQ(s.code(), Code::kOk);
  EXPECT_EQ(s.message(), "");
  EXPECT_TRUE(Status(s).Annotate("where").ok());
}

TEST(Status, KeepsCodeAndMessageThroughCopiesAndMoves) {
  Status s = BadInput("input has ", 4096, ", weight has ", 4097);
  const Status copy = s;
  const Status moved = std::move(s);
  for (const Status& t : {copy, moved}) {
    EXPECT_FALSE(t.ok());
    EXPECT_EQ(t.code(), Code::kBadInput);
    EXPECT_EQ(t.message(), "input has 4096, weight has 4097");
  }
  Status assigned;
  assigned = copy;
  EXPECT_EQ(assigned.message(), copy.message());
  assigned = Status();
  EXPECT_TRUE(assigned.ok());
  EXPECT_EQ(Status(copy).Annotate("linear").message(), "linear: input has 4096, weight has 4097");
}

TEST(Status, ExitStatuses) {
  EXPECT_EQ(ExitStatus(Code::kOk), 0);
  EXPECT_EQ(ExitStatus(UsageError("x").code()), 2);
  EXPECT_EQ(ExitStatus(BadInput("x").code()), 3);
  EXPECT_EQ(ExitStatus(Unsupported("x").code()), 3);
  EXPECT_EQ(ExitStatus(ResourceError("x").code()), 4);
  EXPECT_EQ(ExitStatus(Internal("x").code()), 70);
  EXPECT_EQ(ExitStatus(Code::kCancelled), 130);
}

Result<std::unique_ptr<int>> Half(int v) {
  if (v % 2 != 0) return BadInput(v, " is odd");
  return std::make_unique<int>(v / 2);
}
Result<int> Quarter(int v) {
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(v));
  HST_ASSIGN_OR_RETURN(const auto quarter, Half(*half));
  return *quarter;
}
Status Check(int v) {
  HST_RETURN_IF_ERROR(Quarter(v).status());
  return {};
}

TEST(Result, CarriesValuesAndErrorsThroughTheMacros) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).status().message(), "3 is odd");
  EXPECT_TRUE(Check(4).ok());
  EXPECT_EQ(Check(5).message(), "5 is odd");
  auto owned = Half(8);
  const std::unique_ptr<int> taken = *std::move(owned);
  EXPECT_EQ(*taken, 4);
  Result<std::vector<int>> list(std::vector<int>{1, 2});
  list->push_back(3);
  EXPECT_EQ(list.value().size(), 3u);
}

TEST(Check, ThrowsInternalErrorWithTheCondition) {
  try {
    HST_CHECK(1 + 1 == 3);
    FAIL() << "did not throw";
  } catch (const InternalError& e) {
    EXPECT_NE(std::string(e.what()).find("1 + 1 == 3"), std::string::npos);
  }
  HST_CHECK(true);
}

}  // namespace
}  // namespace hasten
