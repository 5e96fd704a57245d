// The parts of status.h that need not be compiled wherever an error is made.
#include "runtime/base/status.h"

#include <charconv>

#include "runtime/base/decimal.h"

namespace hasten {
namespace {

template <class T, size_t N>
std::string_view Print(char (&buffer)[N], T v) {
  // 32 characters hold any of these: 24 for a double, 20 for an integer.
  if constexpr (std::is_floating_point_v<T>) {
    const std::string text = ShortestText(v);
    return {buffer, text.copy(buffer, N)};
  } else {
    const auto r = std::to_chars(buffer, buffer + N, v);
    return {buffer, static_cast<size_t>(r.ptr - buffer)};
  }
}

}  // namespace

void Piece::Write(long long v) { text_ = Print(buffer_, v); }
void Piece::Write(unsigned long long v) { text_ = Print(buffer_, v); }
void Piece::Write(float v) { text_ = Print(buffer_, v); }
void Piece::Write(double v) { text_ = Print(buffer_, v); }

std::string Concatenate(std::initializer_list<Piece> pieces) {
  size_t size = 0;
  for (const Piece& p : pieces) size += p.text().size();
  std::string out;
  out.reserve(size);
  for (const Piece& p : pieces) out.append(p.text());
  return out;
}

Status::Status(Code code, std::string message) : rep_(new Rep{code, std::move(message)}) {}
Status::Status(const Status& o) : rep_(o.rep_ ? new Rep(*o.rep_) : nullptr) {}
void Status::Delete::operator()(Rep* rep) const { delete rep; }

const std::string& Status::message() const {
  static const std::string empty;
  return rep_ ? rep_->message : empty;
}

Status Status::Annotate(std::string_view where) && {
  if (rep_) rep_->message = StrCat(where, ": ", rep_->message);
  return std::move(*this);
}

void CheckFailed(const char* file, int line, const char* what) {
  throw InternalError(StrCat(file, ":", line, ": check failed: ", what));
}

}  // namespace hasten
