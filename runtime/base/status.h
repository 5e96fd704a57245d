// Errors as values: Status and Result<T>, the return macros, and the check for
// broken invariants. The code's number is the exit status of the command line
// and the value of hst_status, so that a failure keeps its kind all the way out.
// Bad input is a Status; a broken invariant of ours is HST_CHECK, which throws
// InternalError: the C edge turns it into HST_INTERNAL, the command into exit 70.
#pragma once

#include <concepts>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hasten {

enum class Code : int {
  kOk = 0,
  kUsage = 2,         // wrong option, wrong call, wrong configuration
  kBadInput = 3,      // the model, artifact or data is malformed
  kUnsupported = 6,   // well-formed, but not something hasten handles (exit 3)
  kResource = 4,      // I/O, memory, no space, no device
  kInternal = 70,     // a bug of ours
  kCancelled = 130,   // interrupted
};

// The process exit status of a code.
constexpr int ExitStatus(Code code) { return code == Code::kUnsupported ? 3 : static_cast<int>(code); }

// A part of a message: a string, a character, a bool or a number (floats in shortest
// round-trip form). Built where it is used; what it does is compiled once, in
// status.cc, because messages are made in hundreds of places.
class Piece {
 public:
  Piece(std::string_view s) : text_(s) {}    // NOLINT: implicit on purpose, as below
  Piece(const char* s) : text_(s) {}         // NOLINT
  Piece(const std::string& s) : text_(s) {}  // NOLINT
  Piece(char c) : text_(buffer_, 1) { buffer_[0] = c; }  // NOLINT
  template <std::same_as<bool> B>  // a template, so that nothing converts to bool
  Piece(B b) : text_(b ? "true" : "false") {}  // NOLINT
  template <class T>
    requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>)
  Piece(T v) {  // NOLINT
    if constexpr (std::is_floating_point_v<T>) Write(v);
    else if constexpr (std::is_signed_v<T>) Write(static_cast<long long>(v));
    else Write(static_cast<unsigned long long>(v));
  }
  Piece(const Piece&) = delete;  // text_ may point into buffer_
  Piece& operator=(const Piece&) = delete;
  std::string_view text() const { return text_; }

 private:
  void Write(long long v);
  void Write(unsigned long long v);
  void Write(float v);
  void Write(double v);
  char buffer_[32];
  std::string_view text_;
};

std::string Concatenate(std::initializer_list<Piece> pieces);

template <class... Ts>
std::string StrCat(const Ts&... parts) {
  return Concatenate({Piece(parts)...});
}

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message);
  Status(const Status& o);
  Status& operator=(const Status& o) { return *this = Status(o); }
  Status(Status&&) = default;
  Status& operator=(Status&&) = default;

  bool ok() const { return !rep_; }
  Code code() const { return rep_ ? rep_->code : Code::kOk; }
  const std::string& message() const;
  // Puts "where: " before the message.
  Status Annotate(std::string_view where) &&;

 private:
  struct Rep {
    Code code;
    std::string message;
  };
  struct Delete {
    void operator()(Rep* rep) const;
  };
  std::unique_ptr<Rep, Delete> rep_;
};

template <class... Ts>
Status UsageError(const Ts&... p) { return Status(Code::kUsage, StrCat(p...)); }
template <class... Ts>
Status BadInput(const Ts&... p) { return Status(Code::kBadInput, StrCat(p...)); }
template <class... Ts>
Status Unsupported(const Ts&... p) { return Status(Code::kUnsupported, StrCat(p...)); }
template <class... Ts>
Status ResourceError(const Ts&... p) { return Status(Code::kResource, StrCat(p...)); }
template <class... Ts>
Status Internal(const Ts&... p) { return Status(Code::kInternal, StrCat(p...)); }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose; must not be ok
  template <class U = T>
    requires(std::is_constructible_v<T, U &&> && !std::is_same_v<std::remove_cvref_t<U>, Status> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result>)
  Result(U&& value) : value_(std::forward<U>(value)) {}  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

class InternalError : public std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void CheckFailed(const char* file, int line, const char* what);

}  // namespace hasten

#define HST_CONCAT_(a, b) a##b
#define HST_CONCAT(a, b) HST_CONCAT_(a, b)

#define HST_RETURN_IF_ERROR(expr)                      \
  do {                                                 \
    if (::hasten::Status hst_status_ = (expr); !hst_status_.ok()) return hst_status_; \
  } while (0)

#define HST_ASSIGN_OR_RETURN(decl, expr) HST_ASSIGN_OR_RETURN_(HST_CONCAT(hst_result_, __LINE__), decl, expr)
#define HST_ASSIGN_OR_RETURN_(tmp, decl, expr) \
  auto tmp = (expr);                           \
  if (!tmp.ok()) return std::move(tmp).status(); \
  decl = *std::move(tmp)

// For invariants of our own code only, never for what came from outside.
#define HST_CHECK(cond)                                                    \
  do {                                                                     \
    if (!(cond)) ::hasten::CheckFailed(__FILE__, __LINE__, #cond);         \
  } while (0)
