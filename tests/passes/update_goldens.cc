// Rewrites the expectations of tests/ir/*.ir with what the passes make now.
#include <cstdio>
#include <fstream>

#include "golden.h"

int main(int argc, char** argv) {
  using namespace hasten::passes;
  if (argc != 2) {
    std::fprintf(stderr, "usage: update_goldens FOLDER\n");
    return 2;
  }
  int failed = 0;
  for (const std::string& path : GoldenFiles(argv[1])) {
    const std::string was = ReadFile(path);
    const GoldenFile file = ParseGolden(was);
    std::string out = file.head;
    for (const GoldenCase& c : file.cases) {
      const hasten::Result<std::string> made = RunGolden(c);
      if (!made.ok()) {
        std::fprintf(stderr, "%s:%d: %s\n", path.c_str(), c.line, made.status().message().c_str());
        ++failed;
      }
      std::string input = c.input;
      while (input.ends_with("\n\n")) input.pop_back();
      out += c.run_line + input + "// expect\n" + (made.ok() ? *made : c.expected) + (&c == &file.cases.back() ? "" : "\n");
    }
    if (out == was) continue;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << out;
    std::printf("rewrote %s\n", path.c_str());
  }
  return failed ? 1 : 0;
}
