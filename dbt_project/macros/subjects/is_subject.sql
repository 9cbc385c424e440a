{#- Whether a record is one of the batch's: by its contributor id; by its email where it has no id; through its parent;
    or because its subject email is a mask already, so that a record stays in sight after its key has been masked.
    `alias` is the name of the record in the query, or '' where a statement has none (ClickHouse's ALTER ... UPDATE). -#}
{% macro is_subject(spec, alias) -%}
    {%- set dot = alias ~ '.' if alias else '' -%}
    {%- set id = spec.subject.get('contributor_id') -%}
    {%- set email = spec.subject.get('email') -%}
    {%- set via = spec.subject.get('via') -%}
    {%- set ways = [] -%}
    {%- if id -%}
        {%- do ways.append(dot ~ id ~ ' in (' ~ target_ids() ~ ')') -%}
    {%- endif -%}
    {%- if email -%}
        {%- set without_id = dot ~ id ~ ' is null and ' if id else '' -%}
        {%- do ways.append('(' ~ without_id ~ normalised_email(dot ~ email) ~ ' in (' ~ target_emails() ~ '))') -%}
        {%- do ways.append(email_is_mask(dot ~ email)) -%}
    {%- endif -%}
    {%- if via -%}
        {%- set parent = mask_spec(spec.source, via.table) -%}
        {%- do ways.append(
            dot ~ via.column ~ ' in (select parent_' ~ via.table ~ '.' ~ via.parent_column ~ ' from ' ~ parent.relation
            ~ ' as parent_' ~ via.table ~ ' where ' ~ is_subject(parent, 'parent_' ~ via.table) ~ ')'
        ) -%}
    {%- endif -%}
    ({{ ways | join(' or ') }})
{%- endmacro %}
