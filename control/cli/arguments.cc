#include "control/cli/arguments.h"

#include <algorithm>
#include <utility>

#include "control/explain/query.h"

namespace sluice {
namespace {

Error usage(std::string sentence) {
  return Error{ErrorKind::Usage, "usage", std::move(sentence), ""};
}

constexpr std::uint32_t kDurationMaxMs = 24 * 3'600'000;

// Walks over the words once. What a flag means depends on the command, so the command's own flags
// come after its words.
class ArgumentParser {
 public:
  ArgumentParser(const std::vector<std::string>& words, const GlobalOptions& globals)
      : words_(words) {
    out_.globals = globals;
  }

  Result<Invocation> parse() {
    for (at_ = 0; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      std::optional<Error> error;
      if (!only_operands_ && word == "--") {
        only_operands_ = true;
      } else if (!only_operands_ && word.size() > 1 && word.front() == '-') {
        error = take_flag(word);
      } else {
        error = take_word(word);
      }
      if (error) return *error;
    }
    if (std::optional<Error> error = finish()) return *error;
    return std::move(out_);
  }

 private:
  std::optional<Error> take_word(const std::string& word) {
    if (noun_.empty()) {
      if (word == "help" && !is_help_) {
        is_help_ = true;
        out_.globals.wants_help = true;
        return std::nullopt;
      }
      if (!is_noun(word)) {
        return usage("'" + word + "' is no noun; 'sluicectl help' lists them");
      }
      noun_ = word;
      out_.help_noun = word;
      if (is_whole_command(word)) out_.command = find_command(word, "");
      return std::nullopt;
    }
    if (out_.command == nullptr) {
      out_.command = find_command(noun_, word);
      if (out_.command != nullptr) return std::nullopt;
      return usage("'" + noun_ + "' has no verb '" + word + "'; 'sluicectl help " + noun_ +
                   "' lists them");
    }
    if (operand_count_ == operand_count(*out_.command) || word.empty()) {
      return usage("'" + word + "' is one word too many");
    }
    if (out_.command->operand_params.empty()) {
      out_.operand = word;
      ++operand_count_;
      return std::nullopt;
    }
    return take_operand(std::string(out_.command->operand_params[operand_count_++]), word);
  }

  std::optional<Error> take_operand(const std::string& name, const std::string& word) {
    out_.params[name] = word;
    for (const ParamRow& row : find_request(out_.command->method)->params) {
      if (row.name != name || row.type != ParamType::Number) continue;
      const std::optional<std::uint64_t> number = parse_number(word, std::uint64_t{1} << 53);
      if (!number) return usage("'" + word + "' is no whole number");
      out_.params[name] = *number;
    }
    return std::nullopt;
  }

  // Splits --flag=value, and asks first the globals, then the command.
  std::optional<Error> take_flag(const std::string& word) {
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    flag_ = word.substr(0, equals);
    value_.reset();
    if (equals != std::string::npos) value_ = word.substr(equals + 1);
    for (const GlobalRow& row : global_flags()) {
      if (flag_ == row.flag || (!row.short_flag.empty() && flag_ == row.short_flag)) {
        return take_global(row);
      }
    }
    if (out_.command != nullptr) {
      for (const ParamRow& row : flags_of(*out_.command)) {
        if (flag_ == flag_of(row.name) || (flag_ == "-m" && row.name == "comment")) {
          return take_param(row);
        }
      }
    }
    return usage("unknown flag '" + flag_ + "'" +
                 (out_.command == nullptr ? "; flags of a command stand after its words" : ""));
  }

  // The flag's value: behind '=', or the next word.
  Result<std::string> take_value() {
    if (value_) return *value_;
    if (at_ + 1 >= words_.size()) return usage("'" + flag_ + "' needs a value");
    return words_[++at_];
  }

  std::optional<Error> take_global(const GlobalRow& row) {
    GlobalOptions& globals = out_.globals;
    if (!row.value.empty()) {
      Result<std::string> value = take_value();
      if (!value) return value.error();
      if (row.flag == "--socket") globals.socket = *value;
      if (row.flag == "--file") globals.command_file = *value;
      if (row.flag == "--timeout") {
        const std::optional<std::uint32_t> timeout = parse_duration_ms(*value);
        if (!timeout || *timeout == 0) {
          return usage("--timeout '" + *value + "' is no time of 1ms to 24h, such as 500ms or 10s");
        }
        globals.timeout_ms = *timeout;
      }
      return std::nullopt;
    }
    if (value_) return usage("'" + flag_ + "' takes no value");
    if (row.flag == "--json") globals.is_json = true;
    if (row.flag == "--no-color") globals.no_color = true;
    if (row.flag == "--quiet") globals.is_quiet = true;
    if (row.flag == "--verbose") globals.is_verbose = true;
    if (row.flag == "--help") globals.wants_help = true;
    if (row.flag == "--version") globals.wants_version = true;
    return std::nullopt;
  }

  std::optional<Error> take_param(const ParamRow& row) {
    const std::string name(row.name);
    if (out_.params.contains(name)) return usage("'" + flag_ + "' stands twice");
    if (row.type == ParamType::Boolean) {
      if (value_) return usage("'" + flag_ + "' takes no value");
      out_.params[name] = true;
      return std::nullopt;
    }
    Result<std::string> value = take_value();
    if (!value) return value.error();
    if (row.type != ParamType::Number) {
      out_.params[name] = std::move(*value);
      return std::nullopt;
    }
    const std::optional<std::uint64_t> number = parse_number(*value, std::uint64_t{1} << 53);
    if (!number) return usage("'" + flag_ + " " + *value + "' is no whole number");
    out_.params[name] = *number;
    return std::nullopt;
  }

  std::optional<Error> finish() {
    const GlobalOptions& globals = out_.globals;
    if (globals.wants_help || globals.wants_version) return std::nullopt;
    if (!globals.command_file.empty()) {
      if (noun_.empty()) return std::nullopt;
      return usage("-f FILE and a command are two things; give one of them");
    }
    if (noun_.empty()) return usage("no command; 'sluicectl help' lists them");
    if (out_.command == nullptr) return usage("'" + noun_ + "' needs a verb");
    const std::string operand(out_.command->operand);
    const std::size_t optional_count = operand.find('[') == std::string::npos ? 0 : 1;
    if (operand_count_ + optional_count < operand_count(*out_.command)) {
      const bool is_one = operand.find(' ') == std::string::npos;
      return usage(noun_ + " " + std::string(out_.command->verb) + " needs " +
                   (is_one ? (operand == "ID" ? "an " : "a ") : "") + operand);
    }
    return check_choices();
  }

  std::optional<Error> check_choices() {
    const RequestRow* request = find_request(out_.command->method);
    if (request == nullptr) return std::nullopt;
    nlohmann::json known = nlohmann::json::object();
    for (const ParamRow& row : request->params) {
      const auto place = out_.params.find(row.name);
      if (place != out_.params.end()) known[std::string(row.name)] = *place;
    }
    return check_params(*request, known);
  }

  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  Invocation out_;
  std::string noun_;
  std::string flag_;
  std::optional<std::string> value_;
  bool only_operands_ = false;
  std::size_t operand_count_ = 0;
  bool is_help_ = false;
};

}  // namespace

Result<Invocation> parse_arguments(const std::vector<std::string>& words,
                                   const GlobalOptions& globals) {
  return ArgumentParser(words, globals).parse();
}

std::uint32_t answer_timeout_ms(const GlobalOptions& globals, std::uint64_t document_size) {
  if (globals.timeout_ms) return *globals.timeout_ms;
  constexpr std::uint64_t kMebibyte = 1u << 20;
  const std::uint64_t begun = document_size / kMebibyte + (document_size % kMebibyte != 0 ? 1 : 0);
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(10'000 + 1'000 * begun, kDurationMaxMs));
}

Result<std::vector<std::string>> split_line(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool is_in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char byte = line[i];
    const bool is_blank = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
    if (quote != 0 && byte == quote) {
      quote = 0;
    } else if (byte == '\\' && quote != '\'' && i + 1 < line.size()) {
      word += line[++i];
      is_in_word = true;
    } else if (quote == 0 && (byte == '\'' || byte == '"')) {
      quote = byte;
      is_in_word = true;
    } else if (quote == 0 && is_blank) {
      if (is_in_word) words.push_back(std::exchange(word, ""));
      is_in_word = false;
    } else if (quote == 0 && byte == '#' && !is_in_word) {
      break;
    } else {
      word += byte;
      is_in_word = true;
    }
  }
  if (quote != 0) return usage("a quote is not closed");
  if (is_in_word) words.push_back(std::move(word));
  return words;
}

std::optional<std::uint32_t> parse_duration_ms(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    std::uint32_t ms;
  };
  constexpr std::array<Unit, 4> kUnits = {
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
  std::uint32_t unit_ms = 1'000;
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    unit_ms = unit.ms;
    text.remove_suffix(unit.suffix.size());
    break;
  }
  const std::optional<std::uint64_t> count = parse_number(text, kDurationMaxMs / unit_ms);
  if (!count) return std::nullopt;
  return static_cast<std::uint32_t>(*count * unit_ms);
}

}  // namespace sluice
