// The documents are tests: every command and option that README.md and docs/cli.md
// show exists, and links lead to files.
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;

std::string Read(const std::string& name) {
  std::ifstream in(std::string(HASTEN_SOURCE_DIR) + "/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The command lines of a document's indented blocks, continuation lines joined.
std::vector<std::string> CommandLines(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream in(text);
  bool open = false;
  for (std::string line; std::getline(in, line);) {
    const bool indented = line.starts_with("    ");
    const std::string body = indented ? line.substr(line.find_first_not_of(' ')) : "";
    if (body.starts_with("hasten ") || body.starts_with("build/bin/hasten ")) {
      lines.push_back(body.substr(0, body.find('#')));
      open = true;
    } else if (open && body.starts_with("[")) {
      lines.back() += " " + body;
    } else {
      open = false;
    }
  }
  return lines;
}

TEST(Docs, EveryCommandLineShownIsPossible) {
  size_t options = 0;
  for (const char* document : {"README.md", "docs/cli.md"}) {
    const std::vector<std::string> lines = CommandLines(Read(document));
    EXPECT_GE(lines.size(), 3u) << document;
    for (const std::string& line : lines) {
      std::stringstream words(line);
      std::string hasten, command;
      words >> hasten >> command;
      if (command == "COMMAND") continue;
      const Outcome help = RunHasten({command, "--help"});
      ASSERT_EQ(help.status, 0) << document << ": " << line;
      const std::regex option("--[a-z][a-z-]*");
      for (std::sregex_iterator it(line.begin(), line.end(), option), end; it != end; ++it) {
        EXPECT_THAT(help.out, HasSubstr(it->str())) << document << ": " << line;
        ++options;
      }
    }
  }
  EXPECT_GT(options, 40u);
}

TEST(Docs, EveryDevTaskShownExists) {
  const std::string readme = Read("README.md"), dev = Read("dev");
  const std::regex task("\\./dev ([a-z]+)");
  std::set<std::string> tasks;
  for (std::sregex_iterator it(readme.begin(), readme.end(), task), end; it != end; ++it) tasks.insert((*it)[1]);
  EXPECT_TRUE(tasks.contains("demo") && tasks.contains("test"));
  for (const std::string& name : tasks) EXPECT_THAT(dev, HasSubstr("cmd_" + name + "()"));
}

TEST(Docs, LinksLeadSomewhere) {
  for (const std::string document : {"README.md", "docs/architecture.md", "docs/cli.md", "docs/adding.md", "docs/dependencies.md"}) {
    const std::string text = Read(document), folder = document.substr(0, document.find_last_of('/') + 1);
    const std::regex link("\\]\\(([^)#:]+)\\)");
    for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it) {
      EXPECT_TRUE(std::ifstream(std::string(HASTEN_SOURCE_DIR) + "/" + (folder == document ? "" : folder) + (*it)[1].str()).good())
          << document << ": " << (*it)[1];
    }
  }
}

}  // namespace
}  // namespace hasten::testing
