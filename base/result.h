#pragma once

// A value or the reason why there is none. For files, sockets, policies and devices; a bad packet
// is not an error but a verdict.

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace sluice {

// What kind of failure it is; the command line turns it into its exit code (product: 1 … 7).
enum class ErrorKind {
  Failed,         // the operation did not work (exit 1)
  Usage,          // the words given make no sense (exit 2)
  NoDaemon,       // nobody listens on the socket (exit 3)
  Invalid,        // policy or configuration is wrong (exit 4)
  LimitExceeded,  // it would not fit (exit 5)
  Conflict,       // somebody else committed in between (exit 6)
  TimedOut,       // no answer in time (exit 7)
};

struct Error {
  ErrorKind kind = ErrorKind::Failed;
  std::string code;      // stable word for programs, such as "unknown-group"
  std::string sentence;  // names the thing, the value, the limit and the next step
  std::string where;     // file:line:column, a path, a device; may be empty
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return content_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  // Requires has_value().
  T& value() & {
    CHECK(has_value());
    return *std::get_if<0>(&content_);
  }
  const T& value() const& {
    CHECK(has_value());
    return *std::get_if<0>(&content_);
  }
  T&& value() && {
    CHECK(has_value());
    return std::move(*std::get_if<0>(&content_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // Requires !has_value().
  const Error& error() const {
    CHECK(!has_value());
    return *std::get_if<1>(&content_);
  }

 private:
  std::variant<T, Error> content_;
};

// For operations that give nothing back but may fail: return Ok().
struct Ok {};
using Status = Result<Ok>;

}  // namespace sluice
