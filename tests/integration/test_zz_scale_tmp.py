import time
from kinbridge.integration.build import build_integrated
from kinbridge.integration.publish import publish_mart
PROV="partner, feed, delivery_id, line_no, contract_version, as_of, row_hash, known_from"
def test_scale(new_warehouse):
    w=new_warehouse()
    w.query("INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, period, as_of, contract_version, agreement_id, agreement_version, state) SELECT p, p||'/x', 'f', 1, p||m, ('2026-0'||m||'-01')::date, ('2026-0'||m||'-28')::date, '1','a','1','accepted' FROM unnest(ARRAY['medicaid','snap']) p, generate_series(1,6) m")
    w.query("INSERT INTO ledger.load (delivery_id, targets) SELECT delivery_id,'{}' FROM ledger.delivery")
    w.query("INSERT INTO identity.run (model_version) VALUES ('1')")
    N=100000
    w.query(f"CREATE TABLE public.p AS SELECT n, gen_random_uuid() AS id FROM generate_series(1,{N}) n")
    w.query("INSERT INTO identity.person SELECT id,1 FROM public.p")
    w.query("INSERT INTO identity.person_link SELECT 'medicaid','m'||n,id,1 FROM public.p UNION ALL SELECT 'snap','s'||n,id,1 FROM public.p WHERE n%3<2")
    for part,l in (('medicaid','m'),('snap','s')):
        cond = 'true' if l=='m' else 'n%3<2'
        s=f"'{part}','{part}/x',1,n,'1',DATE '2026-01-31',gen_random_uuid(),now()"
        w.query(f"INSERT INTO record.person (source_person_id,birth_date,sex,race_ethnicity,language,{PROV}) SELECT '{l}'||n, DATE '2018-01-01'+(n*7919)%2900,'Male',(ARRAY['White','Asian','HispanicOrLatino','BlackOrAfricanAmerican'])[1+n%4],(ARRAY['eng','spa','som'])[1+n%3],{s} FROM public.p WHERE {cond}")
        w.query(f"INSERT INTO record.person_address (source_person_id,county_fips,{PROV}) SELECT '{l}'||n,'990'||lpad((1+2*(n%12))::text,2,'0'),{s} FROM public.p WHERE {cond}")
        div = 3 if l=='m' else 2
        w.query(f"INSERT INTO record.family_member (source_family_id,source_person_id,family_role,{PROV}) SELECT '{l}'||(n/{div}),'{l}'||n,'child',{s} FROM public.p WHERE {cond}")
        w.query(f"INSERT INTO record.program_enrollment (source_enrollment_id,source_person_id,source_family_id,program,entry_date,exit_date,{PROV}) SELECT '{l}'||n||'/'||m,'{l}'||n,'{l}'||(n/{div}),'{part}',('2026-0'||m||'-01')::date,(('2026-0'||m||'-01')::date + interval '1 month - 1 day')::date,{s} FROM public.p, generate_series(1,6) m WHERE {cond} AND (n+m)%9>0")
    w.query("ANALYZE")
    for i in range(2):
        t=time.time(); b=build_integrated(w.linkage); print(b, round(time.time()-t,1))
    print(w.query("select max(n), count(*) from (select count(*) n from integrated.family group by family_id) x"))
    t=time.time(); p=publish_mart(w.linkage); print(p, round(time.time()-t,1))
