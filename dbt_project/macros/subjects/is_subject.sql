{#- Whether a record is one of the batch's: by its contributor id; by its email where it has no id; through its
    parent; or because its subject email is a mask already, so that a record stays in sight after its key has
    been masked. `alias` is the name of the record in the query, or '' where a statement has none (ClickHouse's
    ALTER ... UPDATE). -#}
{% macro is_subject(spec, alias) -%}
    {%- set dot = alias ~ '.' if alias else '' -%}
    {%- set id = spec.subject.get('contributor_id') -%}
    {%- set email = spec.subject.get('email') -%}
    {%- set via = spec.subject.get('via') -%}
    {%- set ways = [] -%}
    {%- if id -%}
        {%- do ways.append(dot ~ quoted(id) ~ ' in (' ~ target_ids(spec.subject_types.get('contributor_id')) ~ ')') -%}
    {%- endif -%}
    {%- if email -%}
        {%- set column = dot ~ quoted(email) -%}
        {%- set without_id = dot ~ quoted(id) ~ ' is null and ' if id else '' -%}
        {%- do ways.append('(' ~ without_id ~ normalised_email(column) ~ ' in (' ~ target_emails() ~ '))') -%}
        {%- if spec.rule != 'delete' -%}
            {%- do ways.append(email_is_mask(column)) -%}
        {%- endif -%}
    {%- endif -%}
    {%- if via -%}
        {%- set parent, above = mask_spec(spec.source, via.table), (alias or 'record') ~ '_parent' -%}
        {%- do ways.append(
            dot ~ quoted(via.column) ~ ' in (select ' ~ above ~ '.' ~ quoted(via.parent_column) ~ ' from '
            ~ parent.relation ~ ' as ' ~ above ~ ' where ' ~ is_subject(parent, above) ~ ')'
        ) -%}
    {%- endif -%}
    ({{ ways | join(' or ') }})
{%- endmacro %}
