// Log likelihoods of endings in the store, a few items an entry.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calib/eval/store.h"
#include "calib/tasks/choices.h"

namespace hasten::calib {

// `kind`: who scored, and the version of the form; `digest`: of that model.
std::string KeyOfScores(std::string_view kind, const std::string& digest, std::span<const EncodedItem* const> items);
// nullopt where there is no entry, or one of another size.
std::optional<std::vector<EndingScores>> ReadScores(const Store& store, const std::string& key, std::span<const EncodedItem* const> items);
void KeepScores(const Store& store, const std::string& key, std::span<const EndingScores> scores);

}  // namespace hasten::calib
