#pragma once

// How a failure ends a program (product, section 5): one code per kind of error. The server sends
// the code along with an error, so that sluicectl ends as if it had failed itself.

#include <optional>

#include "base/result.h"

namespace sluice {

constexpr int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Failed:
      return 1;
    case ErrorKind::Usage:
      return 2;
    case ErrorKind::NoDaemon:
      return 3;
    case ErrorKind::Invalid:
      return 4;
    case ErrorKind::LimitExceeded:
      return 5;
    case ErrorKind::Conflict:
      return 6;
    case ErrorKind::TimedOut:
      return 7;
  }
  return 1;
}

// The other way about; Failed for what is no code.
constexpr ErrorKind error_kind_of(int exit_code) {
  for (ErrorKind kind : {ErrorKind::Usage, ErrorKind::NoDaemon, ErrorKind::Invalid,
                         ErrorKind::LimitExceeded, ErrorKind::Conflict, ErrorKind::TimedOut}) {
    if (exit_code_of(kind) == exit_code) return kind;
  }
  return ErrorKind::Failed;
}

}  // namespace sluice
