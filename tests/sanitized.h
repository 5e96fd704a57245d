// Whether the test is instrumented, which makes it five to fifty times as slow: it
// then checks the same on fewer cases. A release build checks all of them.
#pragma once

namespace hasten {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// How many of n random cases to try.
constexpr int Cases(int n) { return kSanitized ? (n + 1) / 2 : n; }

}  // namespace hasten
