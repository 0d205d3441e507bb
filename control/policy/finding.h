#pragma once

// What is to be said about a document: every error, not the first only, each with its place.
//
// The words of `code` are stable, for programs; the message is for people and names the thing,
// the value and the limit. Control thread.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "control/policy/document.h"

namespace sluice {

enum class Severity : std::uint8_t { Error, Warning, Note };

struct Finding {
  Severity severity = Severity::Error;
  std::string file;
  std::uint32_t line = 0;  // from 1; 0: about the file as a whole
  std::uint32_t column = 0;
  std::string code;
  std::string message;
  bool over_limit = false;  // it is right but too much: exit code 5, not 4
};

// `FILE:LINE:COL: error|warning|note: TEXT`. What is about the file as a whole stands at its
// beginning, 1:1.
std::string to_string(const Finding& finding);

// {"errors":[{file,line,column,code,message}],"warnings":[…]} (product, section 5). Notes are left
// out. About `size_max` bytes at most: a last row, an error if one was left out, then says how many
// more there are.
nlohmann::ordered_json findings_to_json(std::span<const Finding> findings,
                                        std::size_t size_max = ~std::size_t{0});

bool has_errors(std::span<const Finding> findings);

// The findings as one Error, for callers that report only one: the first error, and how many more
// there are. Kind LimitExceeded if every error is one of size, else Invalid. Requires an error
// among them.
Error error_of(std::span<const Finding> findings);

// Findings about one document, as they are found.
class Findings {
 public:
  // More errors than this are not kept, nor more warnings and notes together: a hostile document
  // must not fill the memory. Neither takes the room of the other.
  static constexpr std::size_t kFindingsMax = 100'000;

  explicit Findings(std::string file) : file_(std::move(file)) {}

  void error(Position at, std::string_view code, std::string message);
  void over_limit(Position at, std::string_view code, std::string message);
  void warning(Position at, std::string_view code, std::string message);
  void note(Position at, std::string_view code, std::string message);

  // FILE:LINE:COL, for messages that name a second place.
  std::string place(Position at) const;
  bool has_errors() const { return error_count_ != 0; }
  // In the order of the text; last, if some were not kept, how many: an error if one of them is.
  // Leaves nothing behind.
  std::vector<Finding> take();

 private:
  void add(Finding finding);

  std::string file_;
  std::vector<Finding> findings_;
  std::size_t error_count_ = 0;
  std::size_t left_out_count_ = 0;
  std::size_t left_out_errors_ = 0;
  bool left_out_only_limits_ = true;  // of those errors
};

}  // namespace sluice
