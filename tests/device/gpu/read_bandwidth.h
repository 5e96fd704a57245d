// A kernel that reads device memory and does nothing with it.
#pragma once

#include <cstddef>

namespace hasten::check {

void LaunchRead(const void* p, size_t bytes, unsigned* out, int processors, void* stream);

}  // namespace hasten::check
