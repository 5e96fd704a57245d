// Reads a TOML table key by key, and then says what was left over: every key has to be
// asked for, and the message for one that was not names the nearest that would have been.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "runtime/base/status.h"

namespace hasten::gate {

class TomlReader {
 public:
  // `where`: the table's own name, "" for the document.
  TomlReader(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

  // Each leaves `out` as it is when the key is not there, and remembers the first error.
  void Number(std::string_view key, double& out, double least, double most);
  void Integer(std::string_view key, int64_t& out, int64_t least, int64_t most);
  void Text(std::string_view key, std::string& out);
  void Flag(std::string_view key, bool& out);
  // The table under the key, or null.
  const toml::table* Table(std::string_view key);
  const toml::array* Array(std::string_view key);
  bool Has(std::string_view key) const { return table_.contains(key); }
  void Fail(Status status);

  // The first error, or that of a key that nothing asked for.
  Status Finish() const;
  std::string Path(std::string_view key) const;

 private:
  const toml::node* Take(std::string_view key);
  Status Wrong(std::string_view key, const toml::node& node, std::string_view needed) const;
  const toml::table& table_;
  std::string where_;
  std::vector<std::string> known_;
  Status status_;
};

}  // namespace hasten::gate
