SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
SET bytea_output = 'hex';

CREATE FUNCTION pg_temp.m(pattern text, input text) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS $$ SELECT weir._regex_match(convert_to(pattern, 'UTF8'), convert_to(input, 'UTF8')) $$;
-- each line: pattern, then inputs that match and inputs that do not
CREATE TEMP TABLE cases (n serial, pattern text, yes text[], no text[]);
INSERT INTO cases (pattern, yes, no) VALUES
-- literals; anchored at both ends
('', '{""}', '{a}'),
('a', '{a}', '{"",aa,ba,ab,A}'),
('abc', '{abc}', '{ab,abcd,xabc}'),
('a|b', '{a,b}', '{ab,"",ax,xb}'),
('|a', '{"",a}', '{aa}'),
('a||b', '{a,"",b}', '{ab}'),
('ab|cd', '{ab,cd}', '{abd,acd,abcd}'),
('^a$', '{a}', '{}'),
('a^b', '{}', '{ab,a,b}'),
('\Aa\z', '{a}', '{aa}'),
-- any byte
('.', '{a," ",-}', E'{"","\n",ab}'),
('.*', '{"",abc}', E'{"a\nb","\n"}'),
('(?s).', E'{a,"\n"}', '{""}'),
('\_[\_]', '{__}', '{_,"\\_"}'),
('\C*', E'{"","a\nb"}', '{}'),
('a\C*', E'{a,"a\nb",abc}', '{"",b,ba}'),
('a.*', '{a,abc}', E'{"a\nb",b,ba}'),
('(?s:a.)b', E'{"a\nb",axb}', '{ab}'),
('(?s:a.).', E'{"a\nb"}', E'{"axx\n","ax\n"}'),
-- repetition
('a*', '{"",a,aaa}', '{b,aab}'),
('a+', '{a,aaa}', '{"",b}'),
('a?', '{"",a}', '{aa}'),
('a*?', '{"",a,aaa}', '{b}'),
('a+?b??', '{a,aab}', '{b,abb}'),
('a{3}', '{aaa}', '{aa,aaaa}'),
('a{2,}', '{aa,aaaaa}', '{a,""}'),
('a{2,4}', '{aa,aaa,aaaa}', '{a,aaaaa}'),
('a{2,4}?', '{aa,aaa,aaaa}', '{a,aaaaa}'),
('a{0}', '{""}', '{a}'),
('a{0,1}', '{"",a}', '{aa}'),
('(ab){2}', '{abab}', '{ab,aabb}'),
('(?:a{2}){3}', '{aaaaaa}', '{aaaaa,aaaaaaa}'),
('(a*)*', '{"",aaa}', '{b}'),
('(a*)+', '{"",aaa}', '{b}'),
('(|a)*', '{"",aaa}', '{b}'),
('(|a)+b', '{b,aab}', '{a}'),
('(a|ab)(c|bcd)(d*)', '{abcd,ac,acd,abcddd}', '{abd,abcbcd}'),
('(?:){1000}', '{""}', '{a}'),
('(?:(?:(?:){1000}){1000}){1000}a', '{a}', '{""}'),
('.{1000}', ARRAY[repeat('x', 1000)], ARRAY[repeat('x', 999), repeat('x', 1001)]),
-- braces that are no repetition
('a{', '{"a{"}', '{a}'),
('a{,2}', '{"a{,2}"}', '{aa}'),
('a{1', '{"a{1"}', '{a}'),
('a{01}', '{"a{01}"}', '{a}'),
('a{1,x}', '{"a{1,x}"}', '{a}'),
('{a}', '{"{a}"}', '{a}'),
('a}', '{"a}"}', '{a}'),
-- classes
('[abc]', '{a,b,c}', '{d,ab,""}'),
('[^abc]', E'{d,"\n",^}', '{a,b,c,""}'),
('[a-c]+', '{abc}', '{d,a-c}'),
('[]a]+', '{"]a"}', '{b}'),
('[^]a]', '{b}', '{"]",a}'),
('[a-]+', '{a-}', '{b}'),
('[-a]+', '{a-}', '{b}'),
('[a-c-e]+', '{abc-e}', '{d}'),
('[\-\]\\]+', E'{"-]\\\\"}', '{a}'),
('[.*]+', '{.*}', '{a}'),
('[\d_-]+', '{1_-}', '{a}'),
('[^\d]', '{a}', '{1}'),
('[\D]', '{a}', '{1}'),
('[^\D]', '{1}', '{a}'),
('[[:alpha:]_]+', '{aZ_}', '{1}'),
('[[:^alpha:]]', '{1}', '{a}'),
('[^[:alpha:]]', '{1}', '{a}'),
('[[:alnum:]]+', '{aZ9}', '{_,"é"}'),
('[[:ascii:]]+', E'{"aZ9\t"}', '{"é"}'),
('[[:blank:]]+', E'{" \t"}', E'{"\n"}'),
('[[:cntrl:]]+', E'{"\t\n\x7f"}', '{" "}'),
('[[:digit:]]+', '{0189}', '{a}'),
('[[:graph:]]+', '{"!a~"}', '{" "}'),
('[[:lower:]]+', '{az}', '{A}'),
('[[:print:]]+', '{"a ~"}', E'{"\t"}'),
('[[:punct:]]+', '{"!/:@[`{~"}', '{a,1," "}'),
('[[:space:]]+', E'{" \t\n\x0b\f\r"}', '{a}'),
('[[:upper:]]+', '{AZ}', '{a}'),
('[[:word:]]+', '{aZ_9}', '{-}'),
('[[:xdigit:]]+', '{09afAF}', '{g}'),
('[[:]+', '{[:}', '{a}'),
('[:alpha:]+', '{alph:}', '{b}'),
('\d\D\s\S\w\W', '{"1a b_-"}', '{aaaaaa}'),
('\s', E'{"\t","\n","\f","\r"," "}', E'{"\x0b"}'),
('\w+', '{aZ09_}', '{é}'),
-- escapes
('\.\*\+\?\(\)\[\]\{\}\|\^\$\\', E'{".*+?()[]{}|^$\\\\"}', '{}'),
('\a\f\n\r\t\v', E'{"\x07\f\n\r\t\x0b"}', '{}'),
('\x41\x{42}\x{0043}', '{ABC}', '{}'),
('\101\60\07', E'{"A0\x07"}', '{}'),
('\0011', E'{"\x011"}', '{}'),
('\Qa.b*\Ec*', '{a.b*,a.b*cc}', '{axb}'),
('\Qab\E+', '{ab,abb}', '{abab,a}'),
('\Qa.b', '{a.b}', '{axb}'),
('\Q\E', '{""}', '{a}'),
('a\-b\:c', '{a-b:c}', '{}'),
-- flags
('(?i)abc', '{abc,ABC,aBc}', '{abd}'),
('(?i)[a-c]+', '{aBC}', '{d}'),
('(?i)[^a]', '{b}', '{a,A}'),
('(?i)[[:upper:]]+', '{aBc}', '{1}'),
('(?i)É', '{É}', '{é}'),
('(?i:a)b', '{ab,Ab}', '{aB}'),
('a(?i)b', '{ab,aB}', '{Ab}'),
('(a(?i)b)c', '{abc,aBc}', '{abC}'),
('(?i)a(?-i)b', '{ab,Ab}', '{aB}'),
('(?i)a(?-i:b)C', '{abc,AbC}', '{aBC}'),
('(?i-s:a.)', '{ax,AX}', E'{"a\n"}'),
('(?-s:.)', '{a}', E'{"\n"}'),
('(?sU)a.*', E'{"a\n"}', '{b}'),
('(?is)A.', E'{"a\n"}', '{b}'),
('(?P<x>a)(?<y_1>b)(?:c)', '{abc}', '{}'),
('a(?i)*b', '{b,aaB}', '{A}'),
-- assertions
('(?m)a$\n^b', E'{"a\nb"}', '{ab}'),
('(?m)^a$', '{a}', E'{"a\n"}'),
('a$\nb', '{}', E'{"a\nb"}'),
('(?m)(?:^x$\n?)+', E'{x,"x\nx","x\nx\n"}', '{xx}'),
('a\b.*', '{a,"a b",a-}', '{ab}'),
('.*\bfoo\b.*', '{foo,"a foo b",-foo-}', '{afoo,foob,afoob}'),
('.*\Boo\b', '{foo}', '{oo,"f oo"}'),
('\b', '{}', '{"",a}'),
('\B', '{""}', '{a}'),
('\b\B', '{}', '{"",a}'),
('(\ba\b| )*', '{a,"a a"," a "}', '{aa}'),
('\A*a\z+', '{a}', '{aa}'),
('(?:^a|b)+', '{a,abb,bb}', '{ba,aa}'),
('(?:a$|b)+', '{a,bba}', '{ab}'),
-- bytes from 0x80 stand for themselves
('é', '{é}', '{e,è}'),
('é+', '{é}', '{éé}'),
('(?:é)+', '{é,éé}', '{}'),
('..', '{é,ab}', '{a,éa}');
SELECT count(*), sum(cardinality(yes)) AS yes, sum(cardinality(no)) AS no FROM cases;
SELECT n, pattern, i AS should_match FROM cases, unnest(yes) i WHERE NOT pg_temp.m(pattern, i) ORDER BY n;
SELECT n, pattern, i AS should_not_match FROM cases, unnest(no) i WHERE pg_temp.m(pattern, i) ORDER BY n;

-- bytes that are no text
CREATE FUNCTION pg_temp.b(text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT convert_to($1, 'UTF8') $$;
SELECT weir._regex_match(pg_temp.b('[\x80-\xff]+'), '\x80ff') AS range, weir._regex_match(pg_temp.b('\x00'), '\x00') AS nul,
	weir._regex_match(pg_temp.b('.'), '\x00') AS dot, weir._regex_match('\xff'::bytea, '\xff') AS high, weir._regex_match('\xff'::bytea, '\xfe') AS other,
	weir._regex_match(pg_temp.b('[^\x00-\xff]*'), '') AS nothing, weir._regex_match(pg_temp.b('[^\x00-\xff]'), '\x00') AS no_byte,
	weir._regex_match(pg_temp.b('\Q') || '\x00ff'::bytea || pg_temp.b('\E.'), '\x00ff01') AS quoted,
	weir._regex_match(pg_temp.b('\w\W'), '\x61e9') AS word;

-- against the server's own engine, where both agree on the meaning
SELECT count(*) AS n, count(*) FILTER (WHERE pg_temp.m(p, s) <> (s COLLATE "C" ~ ('^(?:' || p || ')$'))) AS wrong
FROM (SELECT a || b || c AS p FROM unnest(ARRAY['a', 'b', 'a*', '(a|b)', '[ab]+', '(ab)?', 'a{2,3}', '[^a]', '.']) a,
		unnest(ARRAY['b', 'a+', '(ba|ab)*', 'b?', '(a|b|ab){1,2}', '', '(a*b)+']) b, unnest(ARRAY['a', 'b*', '(a*b)+', '', '(aa|b){2}']) c) pats,
	(SELECT string_agg(CASE WHEN (k >> j) & 1 = 1 THEN 'a' ELSE 'b' END, '' ORDER BY j) AS s
	 FROM generate_series(1, 6) len, LATERAL generate_series(0, (1 << len) - 1) k, LATERAL generate_series(0, len - 1) j GROUP BY len, k UNION ALL SELECT '') strs;

--
-- linear time: none of these may take longer than the statement timeout
--
SET statement_timeout = '20s';
CREATE TEMP TABLE long AS SELECT convert_to(repeat('a', 1000000), 'UTF8') AS a, convert_to(repeat('ab', 500000), 'UTF8') AS ab;
SELECT weir._regex_match('(?:a+)+[bc]', a), weir._regex_match('(?:a+)+[bc]', a || 'b'), weir._regex_match('(?:a|b)*', a), weir._regex_match('(?:a|b)*', ab),
	weir._regex_match('(a*)*(b|c)', a), weir._regex_match('(?:a?){1000}a*b', a), weir._regex_match('(x+x+)+y|a*', a), weir._regex_match('.*.*.*.*.*c', ab) FROM long;
-- an automaton with more states than are kept
SELECT weir._regex_match('(?:a|b)*a(?:a|b){300}', a), weir._regex_match('(?:[ab])*a[ab]{14}', ab) FROM long;
SELECT weir._regex_match(pg_temp.b('(?s).*a.{60}'), convert_to(string_agg(md5(i::text), ''), 'UTF8')), weir._regex_match(pg_temp.b('(?s).*\ba.{60}'), convert_to(string_agg(md5(i::text), '-'), 'UTF8'))
FROM generate_series(1, 10000) i;
-- a long match can be cancelled
RESET statement_timeout;
CREATE TEMP TABLE longer AS
	SELECT pg_temp.b(string_agg(translate(md5(i::text), '0123456789abcdef', 'abbaababbabaabab'), '')) AS b FROM generate_series(1, 30000) i;
SET statement_timeout = '200ms';
SELECT weir._regex_match('(?:[ab]*a[ab]{900}|[ab]*b[ab]{850}|.*a.{901}|.*b.{857}){3}', b) FROM longer;
RESET statement_timeout;

--
-- errors
--
CREATE FUNCTION pg_temp.error(pattern text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text;
BEGIN
	PERFORM weir._regex_match(convert_to(pattern, 'UTF8'), '');
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN state || ' ' || message || ' / ' || detail;
END $$;
SELECT p AS pattern, pg_temp.error(p) FROM unnest(ARRAY['(', 'a(b', ')', 'a)', '[', '[a', '[]', '[^', '[a-', '[b-a]', '[a-\d]', '[[:foo:]]', '[\b]', '[\Q]',
	'*', '+a', '?', '{2}', '(*a)', '(|*)', 'a**', 'a*+', 'a{2}{3}', 'a*{2}', 'a{1001}', 'a{1,1001}', 'a{3,2}', 'a{99999999999999}', '(?i)*',
	E'a\\', '\1', '(a)\1', '\8', '\k<a>', '\y', '\é', '\Z', '\G', '\E', '\x', '\x4', '\xg0', '\x{}', '\x{41', '\x{100}', '\400', '\pL', '\PN', '[\pL]',
	'(?=a)', '(?!a)', '(?<=a)', '(?<!a)', '(?>a)', '(?P=a)', '(?P<>a)', '(?P<a', '(?<a-b>c)', '(?#a)', '(?', '(?i', '(?)', '(?-)', '(?--i)', '(?x)', '(?i-:a)',
	'(?:a{1000}){1000}', '((a{100}){100}){100}']) WITH ORDINALITY u(p, n) ORDER BY n;
SELECT pg_temp.error(repeat('(', 100000));
SELECT pg_temp.error(repeat('(', 1001) || repeat(')', 1001)), pg_temp.error(repeat('(', 1000) || repeat(')', 1000));
SELECT weir._regex_match(convert_to(repeat('(', 1000) || 'a' || repeat(')*', 1000), 'UTF8'), 'aaa');
-- every pattern of these bytes either matches or raises a clear error
SELECT error, count(*) > 0 AS seen FROM (
	SELECT CASE WHEN e LIKE '22023 invalid regular expression%' THEN 'refused' WHEN e = 'no error' THEN e ELSE e END AS error
	FROM (SELECT pg_temp.error((SELECT string_agg(substr('ab()[]{}*+?|\^$-:.,0129QEx=!<>Pi&#sdwb', 1 + abs(hashint4(i * 1009 + j)) % 37, 1), '' ORDER BY j) FROM generate_series(1, 3 + i % 12) j)) AS e
		  FROM generate_series(1, 20000) i) x) y
GROUP BY 1 ORDER BY 1;
