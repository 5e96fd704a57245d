// libhasten.so as others see it: its symbols, its dependencies, and the C sample
// built against an installed tree with CMake and with pkg-config, and run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/abi/artifact_fixture.h"
#include "tests/sanitized.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;

// Standard output and error of a command, and its exit status at the end.
std::string Shell(const std::string& command, int want = 0) {
  std::string out;
  FILE* p = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (size_t n = fread(buffer.data(), 1, buffer.size(), p)) out.append(buffer.data(), n);
  const int status = pclose(p);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == want) << command << "\n" << out;
  return out;
}

std::set<std::string> Words(std::istream& in) {
  std::set<std::string> words;
  for (std::string w; in >> w;) words.insert(w);
  return words;
}

TEST(Library, ShowsExactlyTheListedSymbols) {
  std::istringstream shown(Shell(StrCat("nm -D --defined-only ", HASTEN_SHARED_LIBRARY, " | awk '{print $3}'")));
  std::ifstream listed(HASTEN_SOURCE_DIR "/tests/abi/symbols.txt");
  EXPECT_EQ(Words(shown), Words(listed)) << "an intended change: update tests/abi/symbols.txt";
}

TEST(Library, DependsOnTheCLibraryOnly) {
  if (kSanitized) GTEST_SKIP() << "sanitizers bring libraries of their own";
  std::istringstream needed(Shell(StrCat("objdump -p ", HASTEN_SHARED_LIBRARY, " | awk '/NEEDED/ {print $2}'")));
  // Debian 12 has Oniguruma as a shared library only.
  const std::set<std::string> allowed = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libonig.so.5"};
  for (const std::string& library : Words(needed)) EXPECT_TRUE(allowed.count(library)) << library;
}

class InstalledTest : public ArtifactFixture {};

TEST_F(InstalledTest, SampleBuildsAndRuns) {
  if (kSanitized) GTEST_SKIP() << "a sanitized library needs a sanitized host";
  Write({});
  const std::string prefix = (dir_ / "prefix").string(), build = (dir_ / "build").string();
  Shell(StrCat(HASTEN_CMAKE " --install " HASTEN_BINARY_DIR " --component runtime --prefix ", prefix));
  Shell(StrCat(HASTEN_CMAKE " -S " HASTEN_SOURCE_DIR "/samples/c -B ", build, " -DCMAKE_C_COMPILER=" HASTEN_CC " -DCMAKE_PREFIX_PATH=", prefix));
  Shell(StrCat(HASTEN_CMAKE " --build ", build));
  const std::string by_cmake = Shell(StrCat(build, "/generate ", path_, " 'w3 w4 w7' 8"));
  EXPECT_THAT(by_cmake, HasSubstr("w"));
  // Plain cc through pkg-config gives the same program.
  const std::string pc = StrCat("PKG_CONFIG_PATH=", prefix, "/lib/pkgconfig pkg-config --cflags --libs hasten");
  Shell(StrCat(HASTEN_CC " -std=c99 -Wall -Wextra -Werror -o ", build, "/plain " HASTEN_SOURCE_DIR "/samples/c/generate.c $(", pc, ")"));
  EXPECT_EQ(Shell(StrCat("LD_LIBRARY_PATH=", prefix, "/lib ", build, "/plain ", path_, " 'w3 w4 w7' 8")), by_cmake);
  // The static library: what find_package's hasten::hasten_static carries.
  Shell(StrCat(HASTEN_CC " -std=c99 -I", prefix, "/include -o ", build, "/static " HASTEN_SOURCE_DIR "/samples/c/generate.c ", prefix,
             "/lib/libhasten.a -l:libutf8proc.a -lonig -lstdc++ -lm -lpthread"));
  EXPECT_EQ(Shell(StrCat(build, "/static ", path_, " 'w3 w4 w7' 8")), by_cmake);
  EXPECT_THAT(Shell(StrCat(build, "/generate ", path_, ".absent x"), 4), HasSubstr("tiny.hst.absent"));
}

}  // namespace
}  // namespace hasten::testing
