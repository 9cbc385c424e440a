{#- The stretches of a table that a mask takes one after the other, as conditions over `record`: one without a
    condition, or with `chunk_rows` so many of about that many rows each. Rows are taken by where they lie,
    which costs one pass over the table in all; by key it would be one pass a chunk. A row that moves behind the
    mask's back is found by the recount. PostgreSQL only. -#}
{% macro stretches_of(spec, chunk_rows) -%}
    {%- if chunk_rows <= 0 -%}
        {{ return(['']) }}
    {%- endif -%}
    {#- A table without partitions is in no partition tree; one with them has no pages of its own. -#}
    {%- set query -%}
        select
            coalesce(max(pg_relation_size(leaves.relid) / current_setting('block_size')::bigint), 0) as pages,
            coalesce(max(classes.reltuples / nullif(classes.relpages, 0)), 0) as rows_a_page
        from (
            select {{ text_literal(spec.relation) }}::regclass as relid
            union
            select relid from pg_partition_tree({{ text_literal(spec.relation) }}::regclass)
        ) as leaves
        inner join pg_class as classes on leaves.relid = classes.oid
        where classes.relkind = 'r'
    {%- endset -%}
    {%- set pages, rows_a_page = run_query(query).rows[0] -%}
    {%- set step = [(chunk_rows / ([rows_a_page | float, 1.0] | max)) | round(0, 'ceil') | int, 1] | max -%}
    {%- set found = [] -%}
    {%- for first in range(0, [pages | int, 1] | max, step) -%}
        {#- The last one is open: rows that are written meanwhile are appended there. -#}
        {%- set is_last = first + step >= pages | int -%}
        {%- set below = "" if is_last else " and record.ctid < '(" ~ (first + step) ~ ",0)'::tid" -%}
        {%- do found.append("record.ctid >= '(" ~ first ~ ",0)'::tid" ~ below) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
