#!/usr/bin/env bash
# What the traffic really is: rules that demand an application or a name, with real programs.
source "$(dirname "$0")/lib.sh"

rule_app() { printf '  { protocol = "tcp", ports = %s, source = "0.0.0.0/0", %s },\n' "$1" "$2"; }

rules() {
  rule_app 443 "app = \"$1\""
  rule_app 22 'app = "ssh"'
  rule_app 4443 'app = "tls", domains = ["shop.example", "*.api.example"]'
  rule_app 8080 'app = "http", domains = ["shop.example"]'
}

serve_sshd() {
  ssh-keygen -q -t ed25519 -N '' -f "$run/host_key"
  printf 'HostKey %s\nPidFile none\nUsePAM no\nPort 443\n' "$run/host_key" >"$run/sshd_config"
  net_start "$run/sshd.log" ip netns exec "$tag-b" unshare -m bash -c \
    'mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"' - \
    "$(command -v sshd)" -D -e -f "$run/sshd_config"
  net_wait_until 10 ip netns exec "$tag-b" nc -z 127.0.0.1 443 || give_up "sshd did not start"
}

serve_nginx() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example \
    -keyout "$run/key.pem" -out "$run/cert.pem" 2>"$run/openssl.log" ||
    give_up "no certificate could be made"
  mkdir -p "$run/nginx"
  cat >"$run/nginx.conf" <<CONF
daemon off; pid $run/nginx/pid; error_log $run/nginx/error.log;
events {}
http {
  access_log off;
  client_body_temp_path $run/nginx/a; proxy_temp_path $run/nginx/b; fastcgi_temp_path $run/nginx/c;
  uwsgi_temp_path $run/nginx/d; scgi_temp_path $run/nginx/e;
  server {
    listen 4443 ssl; listen 8080;
    ssl_certificate $run/cert.pem; ssl_certificate_key $run/key.pem;
    location / { return 200 "hello \$host\n"; }
  }
}
CONF
  net_start "$run/nginx.log" ip netns exec "$tag-b" "$(command -v nginx)" -c "$run/nginx.conf"
  net_wait_until 10 ip netns exec "$tag-b" nc -z 127.0.0.1 4443 || give_up "nginx did not start"
}

ssh_key_of() { at_a timeout 10 ssh-keyscan -T 4 -t ed25519 -p "$2" "$1" 2>&1 | grep -v '^#'; }
# tls_get NAME, web_get NAME: the page of that host of the same server.
tls_get() { at_a curl -sSk -m 5 --resolve "$1:4443:$b4" "https://$1:4443/"; }
web_get() { at_a curl -sS -m 5 --resolve "$1:8080:$b4" "http://$1:8080/"; }

# trickle PORT TEXT: says it one byte a segment; prints what comes back.
trickle() {
  at_a python3 -c '
import socket, sys, time
talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
talk.settimeout(3)
for byte in sys.argv[3].encode().decode("unicode_escape").encode():
    talk.sendall(bytes([byte]))
    time.sleep(0.01)
print(talk.recv(4096))
' "$b4" "$1" "$2"
}

# The policy with what port 443 demands, logged with the application.
demand_on_443() {
  write_policy "$(rules "$1")" "file:$run/flow.log" |
    sed 's/^interval = 60$/&\nformat = "${srcport} ${dstport} ${action} ${app} ${drop-reason}"/' \
      >"$run/policy.toml"
  ctl policy apply "$run/policy.toml"
}

flow_says() { says "$1" ctl -j flow list; }


begin
PATH=$PATH:/usr/sbin:/sbin
up "$(rules tls)" "file:$run/flow.log"
check "a log that wants the application applies" demand_on_443 tls
mkdir -p "$run/www"
echo hello >"$run/www/hello"
serve_http b "$run/www" 22
serve_sshd
serve_nginx

check "sshd on port 443 is refused where TLS is demanded" \
  dropped app-mismatch ssh_key_of "$b4" 443
check "the refusal names the application" flow_says '"app": *"ssh"'
check "HTTP through port 22 is refused" \
  dropped app-mismatch at_a curl -sS -m 4 "http://$b4:22/hello"
check "the host that the rule lists answers over TLS" says 'hello shop.example' tls_get shop.example
check "a name below a listed one answers" says 'hello v1.api.example' tls_get v1.api.example
check "another host of the same server does not" dropped domain-mismatch tls_get other.example
check "the host that the rule lists answers over HTTP" \
  says 'hello shop.example' web_get shop.example
check "another host does not over HTTP" dropped domain-mismatch web_get other.example
check "HTTP where TLS is demanded is refused" \
  dropped app-mismatch at_a curl -sS -m 4 "http://$b4:4443/"
check "a trickle of single bytes is refused as what it is" \
  dropped app-mismatch trickle 22 'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'

check "a policy that demands SSH on 443 applies" demand_on_443 ssh
check "sshd on port 443 passes then" says 'ssh-ed25519' ssh_key_of "$b4" 443
check "a trickle of single bytes passes as what it is" \
  says 'SSH-2.0' trickle 443 'SSH-2.0-trickle_1.0\r\n'
check "explain says what the rule waits for" says '"conditional": *true' ctl -j explain \
  --interface eni-b --direction ingress --protocol tcp --source "$a4" --destination "$b4" \
  --destination-port 443
check "explain knows what becomes of another application" says 'app-mismatch' ctl -j explain \
  --interface eni-b --direction ingress --protocol tcp --source "$a4" --destination "$b4" \
  --destination-port 443 --app http
check "an application that nobody knows is refused with those there are" \
  says 'there are http, tls, ssh' ctl rule add sg-b ingress --protocol tcp --ports 999 \
  --source 0.0.0.0/0 --app gopher
check "a rule that demands SSH is added" ctl rule add sg-b ingress --protocol tcp --ports 999 \
  --source 0.0.0.0/0 --app ssh

check "a fingerprint shows beside the name of a TLS host" flow_says '"ja4": *"t1[23]'
check "each packet is accounted for" books_balance
check "the sum law of the log reads zero" sum_law_holds
stop_appliance
# Source port, destination port, action, application, reason.
check "the log names SSH that was refused where TLS was demanded" \
  log_has '^[0-9]+ 443 REJECT ssh app-mismatch$'
check "and SSH that passed where it was demanded" log_has '^[0-9]+ 443 ACCEPT ssh -$'
check "and HTTP that was refused at port 22" log_has '^[0-9]+ 22 REJECT http app-mismatch$'
check "and TLS to a listed host" log_has '^[0-9]+ 4443 ACCEPT tls -$'
check "and TLS to another one" log_has '^[0-9]+ 4443 REJECT tls domain-mismatch$'
check "and HTTP to a listed host" log_has '^[0-9]+ 8080 ACCEPT http -$'
finish
