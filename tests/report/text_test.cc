// Text in the reports' forms: hostile text is shown, never obeyed.
#include "calib/report/text.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Text, CleanReplacesWhatIsNotUtf8OrNotShown) {
  EXPECT_EQ(Clean("a\xff" "b"), "a\xEF\xBF\xBD" "b");
  EXPECT_EQ(Clean("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");                  // overlong
  EXPECT_EQ(Clean("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  EXPECT_EQ(Clean("\xF4\x90\x80\x80").substr(0, 3), "\xEF\xBF\xBD");         // beyond U+10FFFF
  EXPECT_EQ(Clean("caf\xC3"), "caf\xEF\xBF\xBD");                            // cut off
  EXPECT_EQ(Clean("\x1b[0m"), "\xEF\xBF\xBD[0m");
  EXPECT_EQ(Clean("a\xE2\x80\xAE" "b"), "a\xEF\xBF\xBD" "b");                // right-to-left override
  EXPECT_EQ(Clean("\xEF\xBF\xBE"), "\xEF\xBF\xBD");                          // U+FFFE, not in XML
  EXPECT_EQ(Clean(std::string_view("\0x", 2)), "\xEF\xBF\xBDx");
  const std::string fine = "Gr\xC3\xBC\xC3\x9F" "e, \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80\n\t\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D";
  EXPECT_EQ(Clean(fine), fine);
}

TEST(Text, HtmlHasNoMarkup) {
  EXPECT_EQ(Html("<a href='x'>\"&amp;"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;");
}

TEST(Text, MarkdownHasNoMarkupMentionOrCell) {
  const std::string out = Markdown("a | b\n# c *d* [e](f) `g` @h <i> http://j");
  EXPECT_EQ(out, "a \\| b \\# c \\*d\\* \\[e\\]\\(f\\) \\`g\\` @\xE2\x80\x8Bh &lt;i&gt; http&#58;//j");
  EXPECT_EQ(MarkdownCode("a|b\nc"), "`a\\|b\xE2\x8F\x8E" "c`");
  EXPECT_EQ(MarkdownCode("x ``` y"), "```` x ``` y ````");    // a longer fence than any within
  EXPECT_EQ(MarkdownCode(" a"), "`  a `");                    // the one space that code spans drop
  EXPECT_EQ(MarkdownCode(""), "");
  EXPECT_THAT(MarkdownCode("`"), Not(HasSubstr("```")));
}

TEST(Text, ShortensAtCharacters) {
  EXPECT_EQ(Shorten("abc", 3), "abc");
  EXPECT_EQ(Shorten("a\xC3\xBC" "b", 2), "a\xE2\x80\xA6");
  EXPECT_EQ(ShortenFront("a\xC3\xBC" "b", 2), "\xE2\x80\xA6" "b");
}

TEST(Text, NumbersHaveFourDigitsAtMost) {
  EXPECT_EQ(Number(0.0), "0");
  EXPECT_EQ(Number(-0.0), "0");
  EXPECT_EQ(Number(2.0), "2");
  EXPECT_EQ(Number(0.30149), "0.3015");
  EXPECT_EQ(Number(1.00449), "1.004");
  EXPECT_EQ(Number(0.00444), "0.00444");
  EXPECT_EQ(Number(1.5e-4), "1.5e-4");
  EXPECT_EQ(Number(1e-5), "1e-5");
  EXPECT_EQ(Number(9.999e-6), "9.999e-6");
  EXPECT_EQ(Number(12.34), "12.3");
  EXPECT_EQ(Number(1234567.0), "1,234,567");
  EXPECT_EQ(Number(-1234.0), "-1,234");
  EXPECT_EQ(Number(100.0), "100");
  EXPECT_EQ(Number(NAN), "\xE2\x80\x93");
  EXPECT_EQ(Number(std::optional<double>()), "\xE2\x80\x93");
}

}  // namespace
}  // namespace hasten::report
