#include "control/cli/online.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "control/cli/escape.h"
#include "control/cli/offline.h"
#include "control/cli/show.h"
#include "control/policy/load.h"
#include "control/server/client.h"
#include "control/server/exit_code.h"
#include "control/server/local_file.h"
#include "control/server/message.h"

namespace sluice {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kQueriesPerAsk = 1'000;
constexpr std::size_t kQueryBytesPerAsk = 4u << 20;

// One connection and the words of the command, as every function here needs them.
struct Session {
  const Invocation& invocation;
  const Terminal& terminal;
  Client client;

  const GlobalOptions& globals() const { return invocation.globals; }
  bool is_json() const { return invocation.globals.is_json; }
  bool has(const char* flag) const { return invocation.params.contains(flag); }
  int fail(const Error& error) const { return print_error(error, globals(), terminal); }
  void print(const OrderedJson& object) const { terminal.out << to_line(object) << '\n'; }

  Result<Reply> call(const std::string& method, const nlohmann::json& params) {
    return client.call(method, params, answer_timeout_ms(globals()));
  }
  // The same with a document, in the parameters or in a descriptor sent along.
  Result<Reply> call_with_document(const std::string& method, const nlohmann::json& params,
                                   std::uint64_t document_size, int fd = -1) {
    return client.call(method, params, answer_timeout_ms(globals(), document_size), fd);
  }
};

// What the server's error means here: its findings, if it sent any, and its sentence.
int fail_by_server(const Session& session, const Reply& reply) {
  const Error& error = *reply.error;
  const OrderedJson& data = reply.error_data;
  if (session.is_json()) {
    OrderedJson out = {{"error", {{"code", error.code}, {"message", error.sentence}}}};
    for (const char* key : {"errors", "warnings"}) {
      if (data.contains(key)) out[key] = data[key];
    }
    session.print(out);
    return exit_code_of(error.kind);
  }
  bool has_findings = false;
  for (const char* key : {"errors", "warnings"}) {
    if (!data.contains(key) || !data[key].is_array()) continue;
    for (const OrderedJson& row : data[key]) {
      Finding finding;
      finding.severity = std::string_view(key) == "errors" ? Severity::Error : Severity::Warning;
      finding.file = row.value("file", "");
      finding.line = row.value("line", 0u);
      finding.column = row.value("column", 0u);
      finding.message = row.value("message", "");
      session.terminal.err << escape_control(to_string(finding)) << '\n';
      has_findings = has_findings || finding.severity == Severity::Error;
    }
  }
  if (has_findings) return exit_code_of(error.kind);
  return session.fail(error);
}

// A descriptor of a file in memory that holds the text.
Result<int> to_memory(std::string_view text, const std::string& name) {
  const int fd = ::memfd_create("policy", MFD_CLOEXEC);
  if (fd < 0) return Error{ErrorKind::Failed, "no-memory", std::strerror(errno), name};
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size <= 0) {
      const int reason = errno;
      ::close(fd);
      return Error{ErrorKind::Failed, "no-memory", std::strerror(reason), name};
    }
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return fd;
}

// A descriptor of the policy: the file itself, or in memory what stdin, a pipe (a shell's
// `<(generate)`) or a network's file gives, since the appliance takes local files only.
Result<int> open_policy(const std::string& path, const Terminal& terminal) {
  if (path == "-") {
    return to_memory(std::string((std::istreambuf_iterator<char>(terminal.in)),
                                 std::istreambuf_iterator<char>()),
                     "stdin");
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{ErrorKind::Invalid, "file-missing", std::strerror(errno), path};
  if (is_local_file(fd)) return fd;
  const PolicyText read = read_policy_descriptor(fd, path);
  ::close(fd);
  if (!read.text) return error_of(read.findings);
  return to_memory(*read.text, path);
}

std::uint64_t size_of(int fd) {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 ? static_cast<std::uint64_t>(facts.st_size) : 0;
}

// The warnings of a document that was taken, and of the appliance.
void print_notices(const Session& session, const OrderedJson& result) {
  if (session.globals().is_quiet) return;
  for (const OrderedJson& row : result["warnings"]) {
    session.terminal.err << escape_control(row.value("file", "")) << ':' << row.value("line", 0u)
                         << ':' << row.value("column", 0u)
                         << ": warning: " << escape_control(row.value("message", "")) << '\n';
  }
  for (const OrderedJson& notice : result["notices"]) {
    session.terminal.err << "warning: " << escape_control(notice.get<std::string>()) << '\n';
  }
}

int run_apply(Session& session) {
  const Result<int> fd = open_policy(session.invocation.operand, session.terminal);
  if (!fd) return session.fail(fd.error());
  nlohmann::json params = session.invocation.params;
  params["file"] = session.invocation.operand;
  const Result<Reply> reply = session.call_with_document("policy.apply", params, size_of(*fd), *fd);
  ::close(*fd);
  if (!reply) return session.fail(reply.error());
  if (reply->error) return fail_by_server(session, *reply);
  const OrderedJson& result = reply->result;
  if (session.is_json()) {
    session.print(result);
    return 0;
  }
  session.terminal.out << "generation " << result["generation"].dump() << " is in force\n";
  print_notices(session, result);
  return 0;
}

// Edits as JSON: an array, or one object a line.
Result<nlohmann::json> read_edits(const std::string& path, const Terminal& terminal) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(terminal.in), std::istreambuf_iterator<char>());
  } else {
    PolicyText read = read_policy_file(path);
    if (!read.text) return error_of(read.findings);
    text = *std::move(read.text);
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '[') return parse_message(text);
  nlohmann::json edits = nlohmann::json::array();
  std::istringstream lines(text);
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Result<nlohmann::json> edit = parse_message(line);
    if (!edit) {
      Error error = edit.error();
      error.kind = ErrorKind::Invalid;
      error.where = path + ":" + std::to_string(number);
      return error;
    }
    edits.push_back(*std::move(edit));
  }
  return edits;
}

// A change of the policy in force that is smaller than a file.
int run_edit(Session& session) {
  nlohmann::json params = session.invocation.params;
  if (session.invocation.command->operand_params.empty()) {
    Result<nlohmann::json> edits = read_edits(session.invocation.operand, session.terminal);
    if (!edits) return session.fail(edits.error());
    params["edits"] = *std::move(edits);
  }
  const std::string method(session.invocation.command->method);
  const Result<Reply> reply =
      session.call_with_document(method, params, to_line(OrderedJson(params)).size());
  if (!reply) return session.fail(reply.error());
  if (reply->error) return fail_by_server(session, *reply);
  const OrderedJson& result = reply->result;
  if (session.is_json()) {
    session.print(result);
    return 0;
  }
  for (const OrderedJson& rule : result["rules"]) {
    session.terminal.out << rule.get<std::string>() << '\n';
  }
  session.terminal.out << "generation " << result["generation"].dump() << " is in force\n";
  print_notices(session, result);
  return 0;
}

int run_show(Session& session) {
  nlohmann::json params = session.invocation.params;
  if (!session.is_json()) params["as_written"] = true;
  const Result<Reply> reply = session.call("policy.show", params);
  if (!reply) return session.fail(reply.error());
  if (reply->error) return fail_by_server(session, *reply);
  if (session.is_json()) {
    session.print(reply->result);
    return 0;
  }
  if (!session.globals().is_quiet) {
    session.terminal.err << "generation " << reply->result["generation"].dump() << ", applied from "
                         << escape_control(reply->result.value("file", "")) << '\n';
  }
  const std::string text = reply->result.value("text", "");
  session.terminal.out << (session.terminal.is_terminal ? escape_text(text) : text)
                       << (text.ends_with('\n') ? "" : "\n");
  return 0;
}

// What the server says of a request that one query made too great.
bool is_of_one_query(const Error& error) {
  return error.code == "too-deep" || error.code == "too-long" || error.code == "answers-too-big";
}

OrderedJson error_answer(const Error& error) {
  return {{"error", {{"code", error.code}, {"message", error.sentence}}}};
}

// Adds the answer to each query. A query that the server cannot take has its error as its answer:
// it is found by asking the two halves apart. Nothing: it went well; else the exit code.
std::optional<int> ask_queries(Session& session, std::span<const nlohmann::json> queries,
                               std::vector<OrderedJson>& answers) {
  if (queries.empty()) return std::nullopt;
  const nlohmann::json all(std::vector<nlohmann::json>(queries.begin(), queries.end()));
  const Result<Reply> reply = session.call("explain", {{"queries", all}});
  if (!reply) return session.fail(reply.error());
  if (!reply->error) {
    for (const OrderedJson& answer : reply->result["answers"]) answers.push_back(answer);
    return std::nullopt;
  }
  if (!is_of_one_query(*reply->error)) return fail_by_server(session, *reply);
  if (queries.size() == 1) {
    answers.push_back(error_answer(*reply->error));
    return std::nullopt;
  }
  const std::size_t half = queries.size() / 2;
  const std::optional<int> failure = ask_queries(session, queries.first(half), answers);
  return failure ? failure : ask_queries(session, queries.subspan(half), answers);
}

// Lines of a batch that are asked together. Those that cannot be read have their answer already.
struct Chunk {
  std::vector<nlohmann::json> queries;
  std::vector<OrderedJson> answers;  // a line each; null: of the next query
  std::size_t size = 0;

  bool is_full() const { return answers.size() >= kQueriesPerAsk || size >= kQueryBytesPerAsk; }
  void add(std::string_view line) {
    Result<nlohmann::json> query = parse_message(line);
    answers.push_back(query ? OrderedJson(nullptr) : error_answer(query.error()));
    if (query) queries.push_back(*std::move(query));
    size += line.size();
  }
};

// Prints the answers in the order of the lines and makes `status` the worst of theirs. The exit
// code where the batch cannot go on.
std::optional<int> ask_chunk(Session& session, Chunk chunk, int& status) {
  std::vector<OrderedJson> answers;
  if (const std::optional<int> failure = ask_queries(session, chunk.queries, answers)) {
    return failure;
  }
  std::size_t next = 0;
  for (const OrderedJson& known : chunk.answers) {
    const OrderedJson& answer = known.is_null() ? answers.at(next++) : known;
    status = std::max(status, status_of_answer(answer, session.has("fail_on_deny")));
    session.print(answer);
  }
  session.terminal.out.flush();
  return std::nullopt;
}

int run_explain_batch(Session& session) {
  int status = 0;
  std::string line;
  Chunk chunk;
  while (std::getline(session.terminal.in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    chunk.add(line);
    if (!chunk.is_full() && session.terminal.in.rdbuf()->in_avail() > 0) continue;
    if (auto failure = ask_chunk(session, std::exchange(chunk, {}), status)) return *failure;
  }
  if (auto failure = ask_chunk(session, std::move(chunk), status)) return *failure;
  return status;
}

int run_explain(Session& session) {
  if (session.has("batch")) return run_explain_batch(session);
  const Result<Reply> reply = session.call("explain", query_of_flags(session.invocation));
  if (!reply) return session.fail(reply.error());
  if (reply->error) return fail_by_server(session, *reply);
  return print_explanation(reply->result, session.invocation, session.terminal);
}

// Asks page after page until the end or the user's limit.
int run_list(Session& session) {
  const std::string method(session.invocation.command->method);
  const std::string key = list_key(method);
  nlohmann::json params = session.invocation.params;
  std::uint64_t left = params.value("limit", ~std::uint64_t{0});
  OrderedJson rows = OrderedJson::array();
  while (left > 0) {
    if (session.invocation.params.contains("limit")) params["limit"] = left;
    Result<Reply> reply = session.call(method, params);
    if (!reply) return session.fail(reply.error());
    if (reply->error) return fail_by_server(session, *reply);
    for (OrderedJson& row : reply->result[key]) {
      if (session.is_json()) {
        session.print(row);
      } else {
        rows.push_back(std::move(row));
      }
      --left;
    }
    const OrderedJson& cursor = reply->result["next_cursor"];
    if (!cursor.is_string()) break;
    params["cursor"] = cursor.get<std::string>();
  }
  if (!session.is_json()) show_list(method, rows, session.terminal);
  return 0;
}

// Adds up the members of `part` that are numbers, deep inside too.
void add_numbers(OrderedJson& sum, const OrderedJson& part) {
  for (const auto& item : part.items()) {
    OrderedJson& one = sum[item.key()];
    if (item.value().is_object()) {
      if (one.is_null()) one = OrderedJson::object();
      add_numbers(one, item.value());
    } else if (item.value().is_number_unsigned()) {
      one = (one.is_null() ? 0 : one.get<std::uint64_t>()) + item.value().get<std::uint64_t>();
    }
  }
}

// `flow count` and `flow flush`: one answer for each stretch of the table, summed up.
int run_sum(Session& session) {
  const std::string method(session.invocation.command->method);
  nlohmann::json params = session.invocation.params;
  OrderedJson sum = OrderedJson::object();
  for (;;) {
    const Result<Reply> reply = session.call(method, params);
    if (!reply) return session.fail(reply.error());
    if (reply->error) return fail_by_server(session, *reply);
    OrderedJson part = reply->result;
    const OrderedJson cursor = part["next_cursor"];
    part.erase("next_cursor");
    add_numbers(sum, part);
    if (!cursor.is_string()) break;
    params["cursor"] = cursor.get<std::string>();
  }
  if (session.is_json()) {
    session.print(sum);
  } else if (method == "flow.count") {
    show_flow_counts(sum, session.terminal);
  } else {
    session.terminal.out << sum["flushed"].dump() << " flows flushed\n";
  }
  return 0;
}

int run_flow_top(Session& session) {
  const Result<Reply> reply = session.call("flow.top", session.invocation.params);
  if (!reply) return session.fail(reply.error());
  if (reply->error) return fail_by_server(session, *reply);
  if (session.is_json()) {
    session.print(reply->result);
    return 0;
  }
  show_flow_top(reply->result, session.terminal);
  if (!reply->result.value("is_complete", false) && !session.globals().is_quiet) {
    session.terminal.err << "only the first " << reply->result["flows_seen"].dump()
                         << " flows were looked at; a filter narrows them down\n";
  }
  return 0;
}

// Asks for a stream and prints it until its end.
int run_watch(Session& session, const std::string& method) {
  nlohmann::json params = session.invocation.params;
  const bool is_one_look = method == "stats.stages" && !session.has("watch");
  if (is_one_look) params["limit"] = 1;
  params.erase("watch");
  params.erase("stages");
  const Result<Reply> reply = session.call(method, params);
  if (!reply) return session.fail(reply.error());
  if (reply->error) return fail_by_server(session, *reply);
  for (;;) {
    Result<OrderedJson> event = session.client.next_notification();
    if (!event) return session.fail(event.error());
    if (event->value("end", false)) {
      if (!session.is_json() && !session.globals().is_quiet && !is_one_look) {
        session.terminal.err << "end: " << escape_control(event->value("reason", "")) << '\n';
      }
      return 0;
    }
    event->erase("stream");
    if (session.is_json()) {
      session.print(*event);
    } else if (method == "stats.watch") {
      show_stats(*event, session.terminal);
      session.terminal.out << '\n';
    } else if (method == "stats.stages") {
      show_stages(*event, session.terminal);
    } else {
      show_event(*event, session.terminal);
    }
    session.terminal.out.flush();
    // Whoever read our output is gone: there is nobody to watch for.
    if (!session.terminal.out) return 0;
  }
}

int run_stats(Session& session) {
  const bool has_stages = session.has("stages");
  const bool has_watch = session.has("watch");
  if (session.has("limit") && !has_watch) {
    return session.fail({ErrorKind::Usage, "usage", "--limit goes with --watch", ""});
  }
  if (session.has("interval") && !has_watch && !has_stages) {
    return session.fail(
        {ErrorKind::Usage, "usage", "--interval goes with --watch or --stages", ""});
  }
  if (has_stages) return run_watch(session, "stats.stages");
  if (has_watch) return run_watch(session, "stats.watch");
  const Result<Reply> reply = session.call("stats", nlohmann::json::object());
  if (!reply) return session.fail(reply.error());
  if (reply->error) return fail_by_server(session, *reply);
  if (session.is_json()) {
    session.print(reply->result);
  } else {
    show_stats(reply->result, session.terminal);
  }
  return 0;
}

}  // namespace

int run_online(const Invocation& invocation, const Terminal& terminal) {
  Result<Client> client = Client::connect(invocation.globals.socket);
  if (!client) return print_error(client.error(), invocation.globals, terminal);
  Session session{invocation, terminal, std::move(*client)};
  const std::string_view method = invocation.command->method;
  if (method == "policy.apply") return run_apply(session);
  if (method == "flow.count" || method == "flow.flush") return run_sum(session);
  if (method == "flow.top") return run_flow_top(session);
  if (find_request(method)->effect == Effect::Changes) return run_edit(session);
  if (method == "policy.show") return run_show(session);
  if (method == "explain") return run_explain(session);
  if (method == "stats") return run_stats(session);
  if (method.ends_with(".watch")) return run_watch(session, std::string(method));
  return run_list(session);
}

}  // namespace sluice
