// Calibration text: samples inside documents, short documents joined, and around each
// sample what the tokenizer puts around a text.
#include "calib/calibrate/text.h"

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "compiler/tokenizer/import.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

struct Read {
  std::vector<uint8_t> packed;
  CalibrationText text;
};

// `model`: of tests/fixtures. The encoder's tokenizer makes a token of a letter alone.
Read ReadText(const std::string& model, const std::string& text, int64_t samples, int64_t context) {
  Read r;
  std::ifstream in(std::string(HASTEN_BINARY_DIR) + "/fixtures/models/" + model + "/tokenizer.json");
  const std::string json{std::istreambuf_iterator<char>(in), {}};
  r.packed = *ImportTokenizer(json, "{}");
  const std::string path = std::string(HASTEN_BINARY_DIR) + "/" + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
  std::ofstream(path) << text;
  const std::unique_ptr<Tokenizer> tokenizer = *Tokenizer::Open(r.packed);
  Result<CalibrationText> read = ReadCalibrationText(path, *tokenizer, samples, context);
  EXPECT_TRUE(read.ok()) << read.status().message();
  if (read.ok()) r.text = *std::move(read);
  return r;
}

std::string Line(const std::string& letter, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += letter + " ";
  return "{\"text\": \"" + text + "\"}\n";
}

constexpr int32_t kCls = 2, kSep = 3;   // of the encoder's vocabulary

TEST(CalibrationText, SamplesStayInsideADocumentAndInTheTokenizersFrame) {
  const Read r = ReadText("encoder", Line("b", 20) + Line("c", 11), 4, 8);
  ASSERT_EQ(r.text.samples.count, 3);   // two of the first, one of the second
  for (int64_t i = 0; i < 3; ++i) {
    const std::span<const int32_t> sample = r.text.samples.At(i);
    EXPECT_EQ(sample.front(), kCls);
    EXPECT_EQ(sample.back(), kSep);
    for (size_t j = 2; j + 1 < sample.size(); ++j) EXPECT_EQ(sample[j], sample[1]);   // one letter alone
  }
  EXPECT_NE(r.text.samples.At(0)[1], r.text.samples.At(2)[1]);
  EXPECT_EQ(r.text.documents.size(), 2u);
}

TEST(CalibrationText, DocumentsShorterThanASampleAreJoined) {
  const Read r = ReadText("encoder", Line("b", 5) + Line("c", 9) + Line("d", 5), 9, 8);
  ASSERT_EQ(r.text.samples.count, 2);   // of the long one, and of the two short ones
  EXPECT_NE(r.text.samples.At(1)[1], r.text.samples.At(1)[6]);
}

TEST(CalibrationText, ATokenizerWithoutAFrameAddsNone) {
  const Read framed = ReadText("good", Line("b", 40), 2, 8);
  ASSERT_EQ(framed.text.samples.count, 2);
  EXPECT_EQ(framed.text.samples.At(1)[0], framed.text.samples.At(1)[2]);   // the text goes on, "b" and a space in turn
}

}  // namespace
}  // namespace hasten::calib
