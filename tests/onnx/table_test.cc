// The import table: names, attribute lists, and how many operators it has.
#include "compiler/onnx/op_table.h"

#include <set>

#include <gtest/gtest.h>


namespace hasten::onnx_import {
namespace {

TEST(OpTable, SnakeNames) {
  EXPECT_EQ(SnakeName("MatMul"), "mat_mul");
  EXPECT_EQ(SnakeName("GatherND"), "gather_nd");
  EXPECT_EQ(SnakeName("RMSNormalization"), "rms_normalization");
  EXPECT_EQ(SnakeName("ReduceSumSquare"), "reduce_sum_square");
  EXPECT_EQ(SnakeName("QLinearMatMul"), "q_linear_mat_mul");
  EXPECT_EQ(SnakeName("DFT"), "dft");
  EXPECT_EQ(SnakeName("PRelu"), "p_relu");
}

TEST(OpTable, RowsAreWellFormed) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const OpRow& row : OpRows()) {
    EXPECT_TRUE(seen.insert({row.domain, row.name}).second) << row.name << " has two rows";
    std::string_view rest = row.attributes == "*" ? "" : row.attributes;
    while (!rest.empty()) {
      const std::string_view entry = rest.substr(0, rest.find(' '));
      ASSERT_GE(entry.size(), 3u) << row.name;
      EXPECT_EQ(entry[entry.size() - 2], ':') << row.name;
      EXPECT_NE(std::string_view("ifstgIFS").find(entry.back()), std::string_view::npos) << row.name;
      rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    }
  }
}

TEST(OpTable, HasTheBreadthOfTransformerExports) { EXPECT_GE(OnnxOperators().size(), 120u); }

TEST(OpTable, AttributeKinds) {
  const OpRow* row = FindRow("", "Transpose");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(AttributeKind(*row, "perm"), 'I');
  EXPECT_EQ(AttributeKind(*row, "per"), std::nullopt);
  EXPECT_EQ(FindRow("", "NoSuchThing"), nullptr);
}

}  // namespace
}  // namespace hasten::onnx_import
