// Recognizes files that are not artifacts, so that the message can say what to
// do instead of "bad magic".
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace hasten {

// What the first bytes look like and what to do about it; never empty.
std::string DescribeForeignFile(std::span<const std::byte> head);

}  // namespace hasten
