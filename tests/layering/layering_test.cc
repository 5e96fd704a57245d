// Holds the tree to its own rules: includes follow the room table of
// docs/architecture.md (which this reads), files say what they are in their first
// line, and none is longer than it may be. Not a style check: clang-format is that.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace {

namespace fs = std::filesystem;

constexpr int kMaxLines = 600;  // split before that; 300 is the habit
const std::vector<std::string> kTopFolders = {"runtime", "compiler", "passes", "calib", "cli"};

struct Room {
  std::set<std::string> rooms, third_party;
};

std::string Read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The words between back quotes.
std::vector<std::string> Quoted(const std::string& cell) {
  std::vector<std::string> words;
  for (size_t open = cell.find('`'); open != std::string::npos;) {
    const size_t close = cell.find('`', open + 1);
    if (close == std::string::npos) break;
    words.push_back(cell.substr(open + 1, close - open - 1));
    open = cell.find('`', close + 1);
  }
  return words;
}

std::map<std::string, Room> ReadTable() {
  std::map<std::string, Room> table;
  bool inside = false;
  for (const std::string& line : Lines(Read(fs::path(HASTEN_SOURCE_DIR) / "docs/architecture.md"))) {
    if (line.starts_with("| Room |")) inside = true;
    if (!line.starts_with("|")) inside = false;
    if (!inside) continue;
    std::vector<std::string> cells;
    std::stringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) cells.push_back(cell);
    if (cells.size() < 4 || Quoted(cells[0]).size() != 1) continue;
    Room room;
    for (const std::string& name : Quoted(cells[1])) room.rooms.insert(name);
    for (const std::string& name : Quoted(cells[2])) room.third_party.insert(name);
    table[Quoted(cells[0])[0]] = room;
  }
  return table;
}

// The room with the longest name that is the path or a folder above it.
std::string RoomOf(const std::map<std::string, Room>& table, const std::string& path) {
  std::string best;
  for (const auto& [name, room] : table) {
    if (path.starts_with(name + "/") && name.size() > best.size()) best = name;
  }
  return best;
}

std::vector<std::string> Sources() {
  std::vector<std::string> files;
  const std::set<std::string> kinds = {".h", ".cc", ".c", ".inc", ".def", ".cu", ".cuh"};
  for (const std::string& top : kTopFolders) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(HASTEN_SOURCE_DIR) / top)) {
      if (!entry.is_regular_file() || !kinds.contains(entry.path().extension())) continue;
      files.push_back(fs::relative(entry.path(), HASTEN_SOURCE_DIR));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A generated table says so in its first line and may be long.
bool IsGenerated(const std::vector<std::string>& lines) {
  return !lines.empty() && lines[0].find("Generated") != std::string::npos;
}

TEST(Layering, TheTableNamesOnlyRooms) {
  const auto table = ReadTable();
  ASSERT_GE(table.size(), 15u);
  for (const auto& [name, room] : table) {
    EXPECT_TRUE(fs::is_directory(fs::path(HASTEN_SOURCE_DIR) / name)) << name;
    for (const std::string& other : room.rooms) {
      EXPECT_TRUE(table.contains(other) || other == "compiler") << name << " lists " << other;
    }
  }
}

TEST(Layering, IncludesFollowTheTable) {
  const auto table = ReadTable();
  std::set<std::string> third_party;
  for (const auto& [name, room] : table) third_party.insert(room.third_party.begin(), room.third_party.end());
  const std::set<std::string> system = {"sys", "linux"};
  size_t checked = 0;
  for (const std::string& file : Sources()) {
    const std::string room = RoomOf(table, file);
    if (room.empty()) {
      EXPECT_TRUE(false) << file << " lies in no room of docs/architecture.md";
      continue;
    }
    const Room& rules = table.at(room);
    for (const std::string& line : Lines(Read(fs::path(HASTEN_SOURCE_DIR) / file))) {
      if (!line.starts_with("#include ")) continue;
      ++checked;
      const char close = line[9] == '<' ? '>' : '"';
      const std::string target = line.substr(10, line.find(close, 10) - 10);
      const std::string head = target.substr(0, target.find_first_of("/."));
      if (const std::string to = RoomOf(table, target); close == '"' && !to.empty()) {
        EXPECT_TRUE(to == room || rules.rooms.contains(to)) << file << ": " << room << " may not include " << target;
      } else if (third_party.contains(head)) {
        EXPECT_TRUE(rules.third_party.contains(head)) << file << ": " << room << " may not include " << target;
      } else {
        EXPECT_TRUE(close == '>' && (target.find('/') == std::string::npos || system.contains(head)))
            << file << ": no room and no third party of the table has " << target;
      }
    }
  }
  EXPECT_GT(checked, 100u);
}

TEST(Layering, OnlyTheCEdgeHasCLinkage) {
  for (const std::string& file : Sources()) {
    if (file.starts_with("runtime/c_api_") || file == "runtime/include/hasten.h") continue;
    EXPECT_EQ(Read(fs::path(HASTEN_SOURCE_DIR) / file).find("extern \"C\""), std::string::npos) << file;
  }
}

TEST(Layering, FilesAreShortAndSayWhatTheyAre) {
  std::vector<std::string> files = Sources();
  for (const std::string top : {"tests", "samples"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(HASTEN_SOURCE_DIR) / top)) {
      const std::string kind = entry.path().extension();
      if (kind == ".cc" || kind == ".c" || kind == ".h") files.push_back(fs::relative(entry.path(), HASTEN_SOURCE_DIR));
    }
  }
  for (const std::string& file : files) {
    const auto lines = Lines(Read(fs::path(HASTEN_SOURCE_DIR) / file));
    ASSERT_FALSE(lines.empty()) << file;
    // The header speaks for a .cc of the same name.
    const bool spoken_for = fs::exists((fs::path(HASTEN_SOURCE_DIR) / file).replace_extension(".h")) && file.ends_with(".cc");
    EXPECT_TRUE(spoken_for || lines[0].starts_with("//") || lines[0].starts_with("/*"))
        << file << " does not open with a comment";
    EXPECT_TRUE(IsGenerated(lines) || lines.size() <= static_cast<size_t>(kMaxLines)) << file << ": " << lines.size();
  }
}

}  // namespace
